"""The tables by which people find cases: the words of names, and searches that have a name."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Index, Text

from casedial.database.columns import Instant, RowID, metadata

# The words of the plaintiff's name, by the beginnings of which a case is found; like phone_numbers, made of the case.
# There is no index by case, which would cost an import as much again: what the words of a case were says its name. An
# older casedial leaves them as they were, and a server goes through them now and then: so a word may be there twice, or
# be left of a case that is gone.
case_names = sa.Table(
    "case_names",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    # In the order of its bytes, whatever the database goes by: a beginning is a range of words.
    Column("word", Text().with_variant(Text(collation="C"), "postgresql"), nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Index("ix_case_names_word", "firm_id", "word", "case_id"),
)

# Searches that a user of the pages gave a name: the query of an address.
views = sa.Table(
    "views",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("firm_id", "user_id", "name_folded", name="uq_views_name"),
)

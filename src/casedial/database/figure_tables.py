"""The tables of what is counted of the history, so that no report has to read all of it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, SmallInteger, Text

from casedial.database.columns import metadata

# How often something happened in a quarter of an hour. Nothing here is of a person; it stays when history goes. A firm
# takes its figures with it, whoever deletes it: an older casedial does not know of them.
figures = sa.Table(
    "figures",
    metadata,
    Column("firm_id", ForeignKey("firms.id", ondelete="CASCADE"), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("slot", Integer, nullable=False),  # quarters of an hour since 1970
    Column("campaign_id", BigInteger, nullable=False),  # 0: none
    Column("detail", BigInteger, nullable=False),  # the disposition, or at which attempt
    Column("vendor", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("firm_id", "kind", "slot", "campaign_id", "detail", "vendor"),
    sqlite_with_rowid=False,  # its rows stand in its key: a report reads many of them, in order
)

# Up to which row of history all is counted, of all firms. Whoever counts moves it on, in the same transaction.
figures_place = sa.Table(
    "figures_place",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),  # there is one row
    Column("history_id", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),  # grows whenever something is counted
)

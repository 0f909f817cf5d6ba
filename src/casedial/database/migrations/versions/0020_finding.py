"""What finding a case and the live picture of a day go by: words of names, indexes, searches with a name."""

import re
import unicodedata

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import add_index, columns_of, end_step

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_PAGE = 5000
_WORDS = 5000  # that one query looks for: SQLite takes 32,766 parameters
_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_key = ("firm_id", "case_id")
_cases = sa.table("cases", *map(sa.column, (*_key, "plaintiff")))
_names = sa.table("case_names", *map(sa.column, (*_key, "word")))


def upgrade() -> None:
    if not columns_of("views"):
        _add_views()
        end_step()
    if not columns_of("case_names"):
        op.create_table(
            "case_names",
            sa.Column("id", _ROW_ID, nullable=False),
            sa.Column("firm_id", sa.BigInteger, nullable=False),
            sa.Column("word", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
            sa.Column("case_id", sa.BigInteger, nullable=False),
            sa.PrimaryKeyConstraint("id", name="pk_case_names"),
        )
        op.create_index("ix_case_names_word", "case_names", ["firm_id", "word", "case_id"])
        end_step()
    add_index("ix_cases_dialing", "cases", ["firm_id", "campaign_id", "case_id"], "dialer_role = 2")
    add_index(
        "ix_cases_kept_back", "cases", ["firm_id", "campaign_id", "held_back_until", "case_id"], "dialer_role = 4"
    )
    add_index("ix_claims_firm", "claims", ["firm_id", "created_at"])
    add_index("ix_status_history_ran_out", "status_history", ["firm_id", "changed_at"], "reason_code = 1")
    last: tuple[int, int] | None = (0, 0)
    while last:
        last = _name(last)
        end_step()


def _add_views() -> None:
    op.create_table(
        "views",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "name_folded", "query")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_views"),
        sa.UniqueConstraint("firm_id", "user_id", "name_folded", name="uq_views_name"),
    )


def _name(after: tuple[int, int]) -> tuple[int, int] | None:
    """Write the words of a page of cases, those that are not there yet; return where it ends.

    What an older casedial changes meanwhile a server finds when it goes through them.
    """
    db, place = op.get_bind(), sa.tuple_(_cases.c.firm_id, _cases.c.case_id)
    page = sa.select(_cases).where(place > sa.tuple_(*after)).order_by(_cases.c.firm_id, _cases.c.case_id).limit(_PAGE)
    rows = db.execute(page).all()
    if not rows:
        return None
    wanted = {(row.firm_id, row.case_id, word) for row in rows for word in _words(row.plaintiff)}
    there: set[tuple[int, int, str]] = set()
    for firm_id in {row.firm_id for row in rows}:
        case_ids = [row.case_id for row in rows if row.firm_id == firm_id]
        words = sorted({word for firm, _, word in wanted if firm == firm_id})
        for start in range(0, len(words), _WORDS):
            known = sa.select(_names).where(
                _names.c.firm_id == firm_id,
                _names.c.word.in_(words[start : start + _WORDS]),
                _names.c.case_id.between(case_ids[0], case_ids[-1]),
            )
            there |= {(row.firm_id, row.case_id, row.word) for row in db.execute(known)}
    if missing := sorted(wanted - there):
        db.execute(_names.insert(), [dict(zip((*_key, "word"), one, strict=True)) for one in missing])
    return (rows[-1].firm_id, rows[-1].case_id)


def _words(name: str) -> set[str]:
    letters = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    split = ([piece for piece in re.split(r"[\W_]+", part) if piece] for part in plain.split())
    return {word[:64] for pieces in split for word in ("".join(pieces), *pieces) if word}

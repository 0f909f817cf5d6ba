"""Numbers abroad are no US numbers: what was stored as if they were is made anew. Campaigns may call abroad."""

import re
from typing import Any

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step
from casedial.domain.cases import Case, Phone
from casedial.domain.phones import is_fax, key_of, split

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_PAGE = 5000
_cases = sa.table("cases", *map(sa.column, ("firm_id", "case_id")), sa.column("phones", sa.JSON))
_keyed = ("firm_id", "number", "case_id")
_numbers = sa.table("phone_numbers", *map(sa.column, _keyed))
_calls = sa.table("calls", *map(sa.column, _keyed))
_list = sa.table("do_not_call", *map(sa.column, (*_keyed, "source")), sa.column("listed_on", sa.Date))


def upgrade() -> None:
    if "abroad" not in columns_of("campaigns"):
        op.add_column("campaigns", sa.Column("abroad", sa.Boolean, nullable=False, server_default=sa.false()))
        end_step()
    last: tuple[int, int] | None = (0, 0)
    while last:
        last = _make_anew(last)
        end_step()


def _make_anew(after: tuple[int, int]) -> tuple[int, int] | None:
    """Go through a page of cases, and make anew what was made of the numbers of some; return where it ends."""
    place = sa.tuple_(_cases.c.firm_id, _cases.c.case_id)
    page = sa.select(_cases).where(place > sa.tuple_(*after)).order_by(_cases.c.firm_id, _cases.c.case_id).limit(_PAGE)
    rows = op.get_bind().execute(page).all()
    for row in rows:
        if _is_otherwise(_case(row)):
            _mend(row.firm_id, row.case_id)
    return (rows[-1].firm_id, rows[-1].case_id) if rows else None


def _mend(firm_id: int, case_id: int) -> None:
    db = op.get_bind()
    this = sa.and_(_cases.c.firm_id == firm_id, _cases.c.case_id == case_id)
    found = db.execute(sa.select(_cases).where(this).with_for_update()).one_or_none()
    if found is None:  # deleted meanwhile
        return
    case = _case(found)
    db.execute(_numbers.delete().where(_numbers.c.firm_id == firm_id, _numbers.c.case_id == case_id))
    if wanted := case.numbers:
        rows = [{"firm_id": firm_id, "number": number, "case_id": case_id} for number in wanted]
        db.execute(_numbers.insert(), rows)
    for phone in case.phones:
        was = _called_by(phone.number)
        keys = [key for part in split(phone.number) if (key := key_of(part))]
        if was and keys and was not in keys:
            of_case = sa.and_(_calls.c.firm_id == firm_id, _calls.c.case_id == case_id, _calls.c.number == was)
            db.execute(_calls.update().where(of_case).values(number=keys[0]))
            _list_too(firm_id, was, keys)


def _list_too(firm_id: int, was: str, keys: list[str]) -> None:
    """List what was not called because of an entry of the wrong number: that stays, for it may be meant."""
    db, of_firm = op.get_bind(), _list.c.firm_id == firm_id
    entry = db.execute(sa.select(_list).where(of_firm, _list.c.number == was)).one_or_none()
    for key in keys if entry else ():
        if not db.execute(sa.select(_list.c.number).where(of_firm, _list.c.number == key)).one_or_none():
            told = {"listed_on": entry.listed_on, "source": entry.source}
            db.execute(_list.insert().values(firm_id=firm_id, number=key, case_id=None, **told))


def _case(row: Any) -> Case:
    return Case(row.case_id, phones=tuple(Phone(*phone) for phone in row.phones))


def _is_otherwise(case: Case) -> bool:
    """Tell whether a case was found by other numbers than it is now."""
    voice = (phone.number for phone in case.phones if phone.number and not is_fax(phone.name))
    return {_found_by(number) for number in voice} - {""} != set(case.numbers)


# What numbers were compared by until now.
_EXTENSION = re.compile(r"(?:ext(?:ension)?|x|#)[\s.:=]*[0-9]{1,6}\s*$", re.IGNORECASE)


def _found_by(number: str) -> str:
    digits = re.sub("[^0-9]+", "", _EXTENSION.sub("", number))
    digits = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
    return digits if len(digits) == 10 else ""


def _called_by(number: str) -> str:
    return "" if number.startswith("+") and not number.startswith("+1") else _found_by(number)

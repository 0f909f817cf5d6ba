"""The data sets in PostgreSQL, made once and kept as templates.

Two firms with 10 campaigns each; every second case is the other firm's, so that each has the CaseIDs 1 to size / 2.
60 % of the cases are To Dial, all of them due, 40 % are Do not Dial; each has two phones, two words of a name, and one
row of history, which is counted: no server has anything to catch up on.
Everything follows from the case's number, by hashes: two machines make the same data.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from benchmarks.machine import Postgres
from casedial.database import schema
from casedial.database.engine import Store, Transaction
from casedial.domain.hours import Window
from casedial.domain.rules import FEDERAL, Override, Purpose
from casedial.domain.statuses import StatusType
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import add_firm, open_firm
from casedial.service.keys import add_key
from casedial.service.statuses import add_statuses

VERSION = "2"  # of what is made here; another one makes the data sets anew
FIRMS = ("Firm 1", "Firm 2")
KEYS = ("benchmark-key-of-firm-1", "benchmark-key-of-firm-2")
CAMPAIGNS = tuple(f"Campaign{number:02}" for number in range(1, 11))  # of each firm
GROUPS = 5
FIRST_CAMPAIGN_ID = 1001  # firm 1 has 1001 to 1010, firm 2 has 1011 to 1020
VENDOR = "Benchmark Dialer"
NOW = datetime(2026, 1, 5, tzinfo=UTC)  # the data's; dial times lie in the week before


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set: how many cases, and which of the due are whose.

    ``campaign``: SQL for the number (0 to 9) of a case's campaign. ``zip_code``, ``area``: SQL for its ZIP code and the
    area code of its phones.
    """

    size: int
    name: str = "even"
    campaign: str = "h1 % 10"
    zip_code: str = (
        "(ARRAY['10001','68046','75201','90012','80202','30303','33130','98101','02108','60602'])[1 + i % 10]"
    )

    area: str = "(ARRAY['212','402','214','213','303','404','305','206','617','312'])[1 + i % 10]"

    @property
    def database(self) -> str:
        """Return the name of its template."""
        return f"bench_{self.name}_{self.size}"


def skewed(size: int) -> DataSet:
    """99 % of the cases are Campaign01's."""
    return DataSet(size, "skewed", "CASE WHEN h1 % 100 > 0 THEN 0 ELSE 1 END")


def ruled(size: int) -> DataSet:
    """5 % of the people live in Nebraska, the others in New York; all are Campaign01's or Campaign02's."""
    nebraska = "CASE WHEN h2 % 20 = 0 THEN '{}' ELSE '{}' END"
    return DataSet(size, "hours", "h1 % 2", nebraska.format("68046", "10001"), nebraska.format("402", "212"))


_FILL = """
SET session_replication_role = replica;  -- foreign keys hold by construction
CREATE TEMP TABLE made AS
SELECT i, 1 + i % 2 AS firm_id, (i + 1) / 2 AS case_id, h1, h2, h3 % 100 < 60 AS to_dial,
  timestamptz '{now}' - (h4 % 604800) * interval '1 second' AS dial_at,
  {area} || (2000000 + i) AS cell, {area} || (2000000 + i + {size}) AS home
FROM generate_series(1, {size}) AS i,
  LATERAL (SELECT abs(hashint4(i) % 1000003) AS h1, abs(hashint4(i + 100000000) % 1000003) AS h2,
    abs(hashint4(i + 200000000) % 1000003) AS h3, abs(hashint4(i + 300000000)::bigint) AS h4) AS hashes;
INSERT INTO cases (firm_id, case_id, case_status, case_group, case_group_folded, closed, zip_code, plaintiff, phones,
  dialer_status_id, dialer_role, dial_at, campaign_id, disposition_id, attempts_id, changed_at)
SELECT firm_id, case_id, 'INT 01 - New Lead', 'Group ' || h2 / 10 % {groups}, 'group ' || h2 / 10 % {groups}, false,
  {zip_code}, 'Person ' || i,
  json_build_array(json_build_array('Cell', cell, true, true), json_build_array('Home', home, false, false)),
  d.id, d.role, dial_at, {first} + (firm_id - 1) * 10 + {campaign}, n.id, a.id, timestamptz '{now}'
FROM made JOIN statuses d USING (firm_id) JOIN statuses n USING (firm_id) JOIN statuses a USING (firm_id)
WHERE d.role = CASE WHEN to_dial THEN 1 ELSE 3 END AND n.name = 'Never Dialed' AND a.name = '0'
ORDER BY i;
INSERT INTO phone_numbers SELECT firm_id, number, case_id FROM made, LATERAL (VALUES (cell), (home)) AS n (number);
INSERT INTO case_names (firm_id, word, case_id)
SELECT firm_id, word, case_id FROM made, LATERAL (VALUES ('person'), (i::text)) AS w (word);
INSERT INTO status_history (firm_id, case_id, type, status_id, dial_at, changed_at, changed_by)
SELECT firm_id, case_id, 1, dialer_status_id, dial_at, changed_at, 'import' FROM cases ORDER BY firm_id, case_id;
UPDATE figures_place SET history_id = (SELECT max(id) FROM status_history);
"""
# Filled first and built afterwards, an index is as dense as it can be and quickly made.
_INDEXES = """SELECT indexdef FROM pg_indexes JOIN pg_class c ON c.relname = indexname
WHERE schemaname = 'public' AND tablename IN ('cases', 'phone_numbers', 'case_names', 'status_history')
AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = c.oid)"""


def ensure(postgres: Postgres, wanted: DataSet) -> str:
    """Make a data set unless it is there; return the name of its template."""
    mark = f"{VERSION} {_head()}"
    query = f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{wanted.database}'"
    if postgres.sql("postgres", query) == [[mark]]:
        return wanted.database
    print(f"  makes the data set {wanted.database}", flush=True)
    making = f"{wanted.database}_making"
    postgres.drop(making)
    postgres.drop(wanted.database)
    postgres.sql("postgres", f"CREATE DATABASE {making}")
    asyncio.run(_set_up(postgres.url(making)))
    fill(postgres, making, wanted)
    postgres.sql("postgres", f"ALTER DATABASE {making} RENAME TO {wanted.database}")
    postgres.sql("postgres", f"COMMENT ON DATABASE {wanted.database} IS '{mark}'; CHECKPOINT")
    return wanted.database


def fill(postgres: Postgres, database: str, wanted: DataSet) -> None:
    """Put the cases into a database that has the firms."""
    rebuild = [row[0] for row in postgres.sql(database, _INDEXES)]
    names = ", ".join(definition.split(" ON ")[0].split()[-1] for definition in rebuild)
    postgres.sql(database, f"DROP INDEX {names}")
    text = _FILL.format(
        now=NOW.isoformat(),
        size=wanted.size,
        groups=GROUPS,
        first=FIRST_CAMPAIGN_ID,
        campaign=f"({wanted.campaign})",
        zip_code=wanted.zip_code,
        area=wanted.area,
    )
    postgres.sql(database, text)
    postgres.sql(database, ";\n".join(rebuild))
    postgres.sql(database, "VACUUM (FREEZE, ANALYZE)")  # also says of every page that all of it is visible


def _head() -> str:
    """Return the newest migration: another schema makes the data sets anew."""
    return max(path.stem for path in (Path(schema.__file__).parent / "migrations" / "versions").glob("[0-9]*.py"))


async def _set_up(url: str) -> None:
    store = Store(url)
    try:
        await schema.migrate(store)
        async with store.write() as tx:
            await set_up_firms(tx)
    finally:
        await store.close()


async def set_up_firms(tx: Transaction) -> None:
    """Make the two firms, their campaigns, and a key for each."""
    for name, key in zip(FIRMS, KEYS, strict=True):
        firm = await add_firm(tx, name, "America/New_York", NOW)
        await add_key(tx, firm, VENDOR, NOW, key)
    # Numbers of their own, so that a campaign is known among the parameters of a statement.
    if tx.dialect.name == "postgresql":
        await tx.execute(sa.text(f"ALTER SEQUENCE statuses_id_seq RESTART {FIRST_CAMPAIGN_ID}"))
    for name in FIRMS:
        await add_statuses(tx, await open_firm(tx, name, lock=True), [(StatusType.CAMPAIGN, c) for c in CAMPAIGNS])


async def _rules(tx: Transaction, closed: bool) -> None:
    """Let Campaign01 of firm 1 call at any hour; New York, where most are, only in an hour that is far away."""
    hour = (datetime.now(UTC).hour + 1) % 24  # clocks of New York are 4 or 5 hours behind UTC
    week = (Window(0, 24 * 60),) * 7
    anywhere = Override(week, True, "benchmark", FEDERAL)
    far = Override((Window(hour * 60, hour * 60 + 60),) * 7, True, "benchmark", "NY")
    change = CampaignChange(
        purpose=Purpose.CLIENT, hours=(anywhere, far) if closed else (anywhere, Override(week, True, "benchmark", "NY"))
    )
    await set_campaign(tx, await open_firm(tx, FIRMS[0], lock=True), CAMPAIGNS[0], change)


async def set_rules(url: str, closed: bool) -> None:
    """Turn calling rules on for Campaign01 of firm 1 in a database of ``ruled`` cases: 95 % closed, or all open."""
    store = Store(url)
    try:
        async with store.write() as tx:
            await _rules(tx, closed)
    finally:
        await store.close()

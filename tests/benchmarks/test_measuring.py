"""The benchmarks' own tools on little data: references are what they claim to be, and the judge sees what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from benchmarks.machine import Postgres

from benchmarks import check, data, lite, load, own

RECORDS = 5


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    small = Postgres(None, shared_buffers="64MB", shared_preload_libraries="")
    yield small
    small.stop()


@pytest.fixture(scope="module")
def template(server: Postgres) -> str:
    return data.ensure(server, data.DataSet(4000))


@pytest.fixture
def claimed(server: Postgres, template: str) -> Iterator[str]:
    """A database in which pgbench has made claims by casedial's own SQL."""
    if not (server.bin / "pgbench").exists():
        pytest.skip("there is no pgbench")
    server.sql("postgres", f"CREATE DATABASE claimed TEMPLATE {template}")
    scripts = [asyncio.run(own.claim_script(server.url(template), RECORDS, firm, firm * 10**8)) for firm in (0, 1)]
    run = load.pgbench(server, "claimed", scripts, 4, 0, calls=10)
    assert run.calls == 40
    yield "claimed"
    server.drop("claimed")


def test_the_data_are_as_they_are_said_to_be(server: Postgres, template: str) -> None:
    firms, campaigns, due, phones = server.sql(
        template,
        "SELECT count(DISTINCT firm_id), count(DISTINCT campaign_id), avg((dialer_role = 1)::int), "
        "avg(json_array_length(phones)) FROM cases",
    )[0]
    assert (firms, campaigns) == ("2", "20")
    assert float(due) == pytest.approx(0.6, abs=0.03)
    assert float(phones) == 2


def test_the_recorded_claim_is_one_statement_and_leaves_nothing(server: Postgres, template: str) -> None:
    statements = asyncio.run(own.claim_statements(server.url(template), RECORDS))
    assert len(statements) == 1
    for part in ("FOR UPDATE SKIP LOCKED", "INSERT INTO status_history", "INSERT INTO claims", "UPDATE cases"):
        assert part in statements[0].text
    assert server.number(template, "SELECT count(*) FROM claims") == 0


def test_own_sql_claims_as_casedial_does(server: Postgres, claimed: str) -> None:
    assert check.claims(server, claimed, RECORDS) == 40 * RECORDS
    assert check.counted(server, claimed) == 40


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE claims SET case_ids = '[1, 2, 3, 4, 5]'",
        "UPDATE claims SET case_ids = '[1]' WHERE id = (SELECT id FROM claims LIMIT 1)",
        "DELETE FROM claims WHERE id = (SELECT id FROM claims LIMIT 1)",
        "DELETE FROM status_history WHERE id = (SELECT max(id) FROM status_history)",
        "UPDATE cases SET claim_id = gen_random_uuid() WHERE dialer_role = 2",
        "UPDATE cases SET dial_at = '2000-01-01' WHERE dialer_role = 1",
    ],
)
def test_the_judge_sees_what_is_wrong(server: Postgres, claimed: str, harm: str) -> None:
    server.sql(claimed, harm)
    with pytest.raises(check.Wrong):
        check.claims(server, claimed, RECORDS)


@pytest.mark.parametrize(("calls", "done"), [(10, 9), (10, 15)])
def test_replies_and_work_that_differ_are_wrong(calls: int, done: int) -> None:
    with pytest.raises(check.Wrong):
        check.answered(calls, done, 4, "claims")
    check.answered(10, 14, 4, "claims")


def test_the_loop_over_sqlite_claims_as_casedial_does(
    server: Postgres, template: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path_factory.mktemp("lite")
    monkeypatch.setattr(lite, "ROOM", room)
    monkeypatch.setattr(lite, "WORK", room / "work.db")
    lite.copy(lite.ensure(server, data.DataSet(4000)))
    assert lite._loop(RECORDS, 0.02).calls > 0  # not so long that a campaign of so few cases runs dry
    assert lite._judged(RECORDS) > 0

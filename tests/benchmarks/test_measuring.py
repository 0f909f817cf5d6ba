"""The benchmarks' own tools on little data: references are what they claim to be, and the judge sees what is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from benchmarks.machine import Postgres

from benchmarks import cells, check, data, lite, load, own

RECORDS = 25


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    small = Postgres(None, shared_buffers="64MB", shared_preload_libraries="")
    yield small
    small.stop()


@pytest.fixture(scope="module")
def template(server: Postgres) -> str:
    return data.ensure(server, data.DataSet(20_000))


def skip_without_pgbench(server: Postgres) -> None:
    if not (server.bin / "pgbench").exists():
        pytest.skip("there is no pgbench")


@pytest.fixture
def claimed(server: Postgres, template: str) -> Iterator[str]:
    """A database in which pgbench has made claims by casedial's own SQL."""
    skip_without_pgbench(server)
    server.sql("postgres", f"CREATE DATABASE claimed TEMPLATE {template}")
    scripts = [own.claim_script(RECORDS, firm, firm * 10**8) for firm in (0, 1)]
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


@pytest.mark.parametrize("records", [1, 25, 100])
def test_the_recorded_claim_is_one_statement_that_names_no_case(records: int) -> None:
    for firm in (0, 1):
        [statement] = own.recorded("postgresql claim", records, firm)
        for part in ("FOR UPDATE SKIP LOCKED", "INSERT INTO status_history", "INSERT INTO claims", "UPDATE cases"):
            assert part in statement.text
        [given] = statement.sets
        assert [own.CAMPAIGN] in given
        assert [own.CLAIM] in given
        assert [records] in given


def test_the_recorded_update_changes_a_block_of_cases_with_their_history(server: Postgres, template: str) -> None:
    skip_without_pgbench(server)
    server.sql("postgres", f"CREATE DATABASE updated TEMPLATE {template}")
    scripts = [own.update_script(cells.UPDATED, firm, 2) for firm in (0, 1)]
    load.pgbench(server, "updated", scripts, 2, 0, calls=3)
    cases, history = server.sql("updated", f"{cells._UPDATED}; {cells._CHANGES}")
    assert int(cases[0]) == 2 * 3 * cells.UPDATED
    assert int(history[0]) == int(cases[0]) * cells.RECORDED_CHANGES
    server.drop("updated")


def test_own_sql_claims_as_casedial_does(server: Postgres, claimed: str) -> None:
    assert check.claims(server, claimed, RECORDS) == 40 * RECORDS
    assert check.counted(server, claimed) == 40


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE claims SET case_ids = '[1, 2, 3, 4, 5]'",
        "UPDATE cases SET dialer_role = 1, dial_at = redial_at WHERE claim_id = (SELECT id FROM claims LIMIT 1)",
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


def test_a_claim_that_was_given_back_is_no_claim(server: Postgres, claimed: str) -> None:
    harm = """UPDATE cases SET dialer_role = 1, dial_at = redial_at WHERE claim_id = (SELECT id FROM claims LIMIT 1);
    INSERT INTO status_history (firm_id, case_id, type, changed_at, changed_by, claim_id, reason_code)
    SELECT firm_id, case_id, 1, now(), 'x', claim_id, 2 FROM cases WHERE claim_id = (SELECT id FROM claims LIMIT 1)"""
    server.sql(claimed, harm)
    assert check.claims(server, claimed, RECORDS) == 39 * RECORDS
    assert check.counted(server, claimed) == 39


@pytest.mark.parametrize(("calls", "done"), [(10, 9), (10, 15)])
def test_replies_and_work_that_differ_are_wrong(calls: int, done: int) -> None:
    with pytest.raises(check.Wrong):
        check.answered(calls, done, 4, "claims")
    check.answered(10, 14, 4, "claims")


@pytest.mark.parametrize("lean", [False, True])
def test_the_loop_over_sqlite_claims_as_casedial_does(
    lean: bool,
    server: Postgres,
    template: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = tmp_path_factory.mktemp("lite")
    monkeypatch.setattr(lite, "ROOM", room)
    monkeypatch.setattr(lite, "WORK", room / "work.db")
    lite.copy(lite.ensure(server, data.DataSet(20_000)))
    assert lite._loop(RECORDS, 0.1, lean).calls > 0  # not so long that a campaign of so few cases runs dry
    assert lite._judged(RECORDS) > 0

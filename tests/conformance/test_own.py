"""Our own server: every check holds, on both databases, and all is put back."""

from __future__ import annotations

import re

import pytest

from casedial_client.conformance import CHECKS, Verdict
from casedial_client.conformance.judging import BEYOND
from tests.conformance.around import Around, every
from tests.conformance.conftest import Lender, failed
from tests.servers import Server, plain


def asked(server: Server) -> float:
    """How often a server was asked for anything."""
    told = plain.get(f"{server.url}/metrics").text
    return sum(map(float, re.findall(r"^casedial_requests_total\{.*\} (\S+)$", told, re.MULTILINE)))


async def test_every_check_holds_and_everything_is_put_back(lender: Lender, database_url: str) -> None:
    before = lender.export()
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as server:
        report = lender.tried(server.base)
        requests = asked(server)
        read_only = lender.tried(server.base, write=False, cases=None, closed=None, disposition=None, campaign=None)
    assert [(o.check.name, o.why) for o in report.outcomes if o.verdict is not Verdict.HOLDS] == []
    assert {outcome.check.name for outcome in report.outcomes} == set(CHECKS)
    assert (report.is_casedial, report.lost) == (True, [])
    assert requests < 600  # and so less than a minute, where replies take no longer than a tenth of a second
    assert lender.export() == before

    assert {outcome.verdict for outcome in read_only.outcomes} == {Verdict.HOLDS, Verdict.NOT_TRIED}
    assert {o.check.name for o in read_only.outcomes if not o.check.writes and o.verdict is not Verdict.HOLDS} == set()
    assert lender.export() == before


@pytest.mark.parametrize("database", ["sqlite"])  # which is behind the proxy, and has nothing to do with it
async def test_our_server_made_wrong_fails_exactly_the_right_check(lender: Lender, database_url: str) -> None:
    before = lender.export()
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as server:
        with Around(server.url) as right:
            assert failed(lender.tried(right.base)) == []
        for wrong in every():
            with wrong(server.url) as proxy:
                report = lender.tried(proxy.base)
            assert failed(report) == [wrong.fails], wrong.__name__
    assert {wrong.fails for wrong in every()} >= {name for name, one in CHECKS.items() if one.section == BEYOND}
    assert lender.export() == before

"""The page of checks is what the suite has."""

from __future__ import annotations

from tools import conformance_reference

from casedial_client.conformance import CHECKS
from tests.docs.test_reference import anchors


def test_the_page_of_checks_is_whole_and_new() -> None:
    page = conformance_reference.PAGE.read_text(encoding="utf-8")
    assert page == conformance_reference.page(), "run python -m tools.conformance_reference"
    assert CHECKS.keys() <= anchors(conformance_reference.PAGE)

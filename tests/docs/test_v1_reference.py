"""The reference of /v1 is made of its routes."""

from __future__ import annotations

from tools import v1_reference


def test_the_page_is_that_of_the_routes() -> None:
    page = v1_reference.PAGE.read_text(encoding="utf-8")
    assert page == v1_reference.page(), "run python -m tools.v1_reference"

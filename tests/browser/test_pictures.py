"""Pictures of the main pages, as the documentation shows them: made anew with CASEDIAL_PICTURES=1."""

from __future__ import annotations

import os

import pytest

from tests.browser.conftest import FIRM, IMAGES, Site

# By the name of the picture: the page, and what is waited for there.
PICTURES = {
    "console-today": (f"/{FIRM}/", "h1"),
    "console-reports": (f"/{FIRM}/reports", "svg.chart"),
    "console-users": ("/users", "table"),
    "console-account": ("/account", "table"),
}


@pytest.mark.parametrize("database", ["sqlite"])
@pytest.mark.skipif("CASEDIAL_PICTURES" not in os.environ, reason="CASEDIAL_PICTURES is not set")
def test_pictures(site: Site) -> None:
    page = site.context(storage_state=site.state_of("Ana")).new_page()
    for name, (path, there) in PICTURES.items():
        page.goto(site.console + path)
        page.wait_for_selector(there)
        page.screenshot(path=IMAGES / f"{name}.png")

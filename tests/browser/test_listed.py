"""What is said aloud of a list outlives the swap of the list: a part that came with it would stay silent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Route, expect

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
HTMX = ROOT / "static" / "vendor" / "htmx-2.0.11.min.js"


def stretch(rows: int, following: str) -> str:
    """A page with one list, whose section is that of a restore's users."""
    said = render_to_string("_listed.html", {"some": range(rows), "more": following, "noun": "user"})
    section = re.search(r'<section [^>]*id="users"[^>]*>', (ROOT / "templates/jobs/_users.html").read_text())
    assert section
    link = f'<p hx-boost="true"><a href="{following}">Next users</a></p>' if following else ""
    return (
        f"<!DOCTYPE html><title>{rows}</title>{said}{section[0]}<h2 id='users-title'>{rows} rows</h2>"
        f"{link}</section><script src='/htmx.js'></script>"
    )


def test_the_next_stretch_is_said_by_the_part_that_was_there(browser: Browser) -> None:
    pages = {"/": stretch(50, "/more"), "/more": stretch(3, "")}

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix("http://list.test")
        if path in pages:
            route.fulfill(body=pages[path], content_type="text/html")
        else:
            route.fulfill(path=HTMX, content_type="text/javascript")

    page = browser.new_page()
    try:
        page.route("http://list.test/**", answer)
        page.goto("http://list.test/")
        said = page.get_by_role("status")
        expect(said).to_have_text("50 users are listed, and more follow.")
        was = said.element_handle()
        page.get_by_role("link", name="Next users").click()
        expect(page.get_by_role("heading")).to_have_text("3 rows")
        expect(said).to_have_text("3 users are listed, to the end.")
        assert was.evaluate("part => part.isConnected && part === document.getElementById('listed')")
    finally:
        page.close()

"""Where the focus is after a part of the page was drawn anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

FOCUS = Path(__file__).resolve().parents[2] / "static" / "focus.js"
SWAP = """now => {
    const part = document.getElementById("part");
    keepFocus(part, () => { part.outerHTML = now; return document.getElementById("part"); });
    const focus = document.activeElement;
    return [focus.id || focus.textContent, focus.closest("details")?.open ?? null];
}"""
FOLDED = (
    "<div id='part'><details{}><summary>Cancel…</summary><button>Cancel this restore</button></details></div>"
)


@pytest.mark.parametrize(
    ("held", "now", "focus"),
    [
        ("button", FOLDED.format(""), ["Cancel this restore", True]),  # it comes folded, and is opened
        ("summary", FOLDED.format(""), ["Cancel…", False]),  # takes the focus as it is
        ("button", "<div id='part'><p>It is over.</p></div>", ["part", None]),
        ("button", "<div id='part'><button disabled>Cancel this restore</button></div>", ["part", None]),
    ],
)
def test_the_focus_stays_where_it_was_or_on_the_part(
    browser: Browser, held: str, now: str, focus: list[object]
) -> None:
    page = browser.new_page()
    try:
        page.set_content(FOLDED.format(" open"))
        page.add_script_tag(path=FOCUS)
        page.locator(held).focus()
        assert page.evaluate(SWAP, now) == focus
    finally:
        page.close()

"""A whole restore by keyboard alone: Tab, arrows, Space, Enter and typing; the focus is always to be seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests import servers
from tests.browser.conftest import Sit
from tests.browser.desk import LONG, Desk
from tests.demo import people
from tests.demo.people import WEEKS, Person
from tests.product import Product
from tests.standin.client import Standin

pytestmark = pytest.mark.browser

STEPS = 150
"""Stops of Tab on one page, at most."""

FOCUS = """() => {
    const it = document.activeElement, box = it.getBoundingClientRect(), style = getComputedStyle(it);
    return {
        lost: it === document.body || it === document.documentElement,
        what: `${it.tagName} ${it.getAttribute('name') || ''} ${(it.textContent || '').trim().slice(0, 60)}`,
        outlined: it.matches(':focus-visible') && style.outlineStyle !== 'none'
            && parseFloat(style.outlineWidth) >= 2,
        inside: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight
            && box.right > 0 && box.left < innerWidth,
    }
}"""


class Keyboard:
    """Somebody without a mouse, who looks where the focus is after each key."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.keys = desk, desk.page.keyboard

    def press(self, key: str) -> None:
        self.keys.press(key)

    def seen(self) -> dict[str, Any]:
        """What has the focus; it is somewhere, on the screen, and outlined."""
        focus: dict[str, Any] = self.desk.page.evaluate(FOCUS)
        assert not focus["lost"], f"the focus is lost on {self.desk.page.url}"
        assert focus["outlined"], f"the focus is not to be seen on {focus['what']!r}"
        assert focus["inside"], f"the focus is off the screen on {focus['what']!r}"
        return focus

    def skip(self) -> None:
        """From a page that was just opened past its head.

        A form that was sent from an address with a fragment ends at one too: there it is past the head.
        """
        if self.desk.page.url.endswith("#content"):
            return
        self.press("Tab")
        assert "Skip to the content" in self.seen()["what"]
        self.press("Enter")
        expect(self.desk.page.locator("#content")).to_be_focused()

    def to(self, wanted: Locator) -> None:
        """With Tab alone until that one has the focus; each stop on the way is seen too."""
        expect(wanted).to_have_count(1)
        passed: list[str] = []
        while not wanted.evaluate("it => it === document.activeElement"):
            self.press("Tab")
            passed.append(self.seen()["what"])
            assert len(passed) < STEPS, f"Tab does not come to {wanted}: {passed}"

    def type(self, field: Locator, text: str) -> None:
        self.to(field)
        self.keys.type(text)

    def tick(self, box: Locator) -> None:
        self.to(box)
        self.press("Space")
        expect(box).to_be_checked()
        self.seen()

    def follow(self, link: Locator, heading: str | re.Pattern[str]) -> None:
        """Enter on a link or a button that opens another page, and past the head of that."""
        self.to(link)
        self.press("Enter")
        expect(self.desk.heading(heading).first).to_be_visible(timeout=LONG)
        self.skip()


def some_who_are_gone() -> tuple[list[Person], Person]:
    """(four people whom a restore creates, one who signs in through Google as well)."""
    cast = people.production()
    there = [p for p in cast.at(WEEKS - 1) if p.enabled and p.verified and not p.before and not p.groups]
    alone = [p for p in there if p.status == "CONFIRMED" and not p.provider]
    return alone[-4:], next(p for p in reversed(there) if p.provider)


def test_a_restore_from_the_overview_to_its_outcome(product: Callable[..., Product], sit: Sit) -> None:
    world = product("emptied", LEASE_SECONDS="3", SWEEP_SECONDS="1")
    plain, linked = some_who_are_gone()
    iva = sit(world)
    iva.sign_in("iva", at="/")
    expect(iva.heading("Overview")).to_be_visible()
    iva.page.goto("/")
    keyboard, page = Keyboard(iva), iva.page

    # The overview, and what comes back: a list that is typed in.
    keyboard.skip()
    prepare = iva.block("production").get_by_role("link", name="Prepare restore")
    keyboard.follow(prepare, "Restore what is missing")
    keyboard.to(page.get_by_role("radio", name="Everybody who is missing"))
    keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="These users")).to_be_checked()
    keyboard.seen()
    keyboard.type(page.get_by_label("E-mails or Usernames, one a line"), "")
    for person in (*plain, linked):
        keyboard.keys.type(person.email)
        keyboard.press("Enter")

    # Where and how: a pool is chosen with the arrows.
    keyboard.follow(iva.button("Go on: where and how"), "Where and how")
    expect(page.get_by_text("5 named users")).to_be_visible()
    into = page.get_by_label("Into this pool")
    keyboard.to(into)
    keyboard.press("Home")
    expect(into).to_have_value("")
    keyboard.keys.type("biomage-user-pool-case-insensitive-production")
    expect(into).to_have_value(world.world.pools["production"])
    keyboard.to(page.get_by_role("radio", name=re.compile("^Leave them alone")))
    for name in ("Fill empty fields", "Overwrite"):
        keyboard.press("ArrowDown")
        expect(page.get_by_role("radio", name=re.compile(f"^{name}"))).to_be_checked()
    for _ in range(2):
        keyboard.press("ArrowUp")
    expect(page.get_by_role("radio", name=re.compile("^Leave them alone"))).to_be_checked()
    keyboard.to(iva.button("Plan this restore"))
    keyboard.press("Enter")
    expect(iva.heading("The plan")).to_be_visible(timeout=LONG)
    keyboard.skip()

    # The plan: rows are looked at, something is decided, and it is planned again.
    expect(iva.link("create 4")).to_be_visible()
    link_again = page.get_by_role("checkbox", name=re.compile("link them again"))
    keyboard.tick(link_again)
    first = page.url
    keyboard.to(iva.button("Plan again with these"))
    keyboard.press("Enter")
    page.wait_for_url(lambda url: url != first and "/again/" not in url)
    expect(iva.heading("The plan")).to_be_visible(timeout=LONG)
    expect(iva.link("create 5")).to_be_visible()
    expect(
        page.get_by_text("Chosen: 5 named users; users who sign in through a provider too")
    ).to_be_visible()
    keyboard.skip()
    keyboard.to(iva.link("skip 0"))
    keyboard.press("Enter")
    expect(page.get_by_text("Nobody in this plan fits.")).to_be_visible()
    expect(iva.link("skip 0")).to_be_focused()
    keyboard.seen()

    # How people get in again, on the plan's page once more.
    page.goto(page.url.partition("?")[0])
    keyboard.skip()
    opened = page.locator("summary").filter(has_text="checks passed")
    keyboard.to(opened)
    keyboard.press("Enter")
    expect(opened.locator("xpath=..")).to_have_attribute("open", "")
    keyboard.tick(page.get_by_role("radio", name=re.compile("^Silent")))
    keyboard.follow(iva.button("Go on: confirm"), re.compile("^Restore into"))

    # Confirmed: who comes first is named, and what is asked for is typed.
    expect(page).to_have_url(re.compile(r"/confirm/\?messages=silent"))
    form = page.locator("#confirm")
    keyboard.type(form.get_by_label("Why, for the audit log"), "a drill without a mouse")
    keyboard.to(form.get_by_role("radio", name="as in the backup", exact=True))
    for _ in range(2):
        keyboard.press("ArrowDown")
    expect(form.get_by_role("radio", name=re.compile("^these users"))).to_be_checked()
    keyboard.type(form.get_by_label(re.compile("one a line, the first on top")), plain[-1].email)
    keyboard.type(form.get_by_label(re.compile("to confirm")), form.locator("code.typed").inner_text())
    keyboard.to(iva.button(re.compile(r"^Create 5 users in")))
    cognito = Standin(world.cloud.cognito.url) if servers.chosen_cognito() == "standin" else None
    if cognito:  # so that the end does not come before it was looked at
        cognito.latency(AdminCreateUser=3.0)
    keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))
    expect(iva.heading(re.compile("^Restoring 5 users"))).to_be_visible()

    # The running restore is drawn anew again and again, and whoever waits there stays there.
    keyboard.skip()
    if cognito:
        keyboard.to(page.locator("#acts summary").filter(has_text="Cancel"))
        cognito.latency()
    # ministack keeps the links of a user who was deleted, and refuses to make them again.
    failed = int(cognito is None)
    iva.state("Done with failures" if failed else "Done")
    expect(iva.button("Plan an undo of this restore")).to_be_visible(timeout=LONG)
    if cognito:
        keyboard.seen()
    assert iva.outcomes() == {"created": 5 - failed, "skipped": 0, "failed": failed, "messages sent": 0}
    keyboard.follow(iva.link("Who is in again"), re.compile("^Who is in again"))

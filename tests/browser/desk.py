"""Somebody at a browser: a Chromium of their own cookies, on one product, with everything written down
that a browser complains about."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, WebError, expect, sync_playwright

from tests.product import Product

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
LONG = 60_000  # ms: a job of this size, on a machine that does other things too
SAID_NO = re.compile(r"Failed to load resource: the server responded with a status of (400|401|403|409)\b")


@contextmanager
def chromium() -> Iterator[Browser]:
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or "/usr/bin/chromium", args=FLAGS
        )
        yield browser
        browser.close()


class Desk:
    def __init__(self, browser: Browser, product: Product) -> None:
        self.product = product
        self.context = browser.new_context(
            base_url=product.url, viewport={"width": 1280, "height": 800}, color_scheme="light"
        )
        self.faults: list[str] = []
        self.context.on("console", self._console)
        self.context.on("weberror", self._error)
        self.page: Page = self.context.new_page()

    def sign_in(self, name: str, *, at: str = "") -> None:
        """With the key of that person; ``at`` is an address to be sent to the sign-in page from."""
        keys = self.product.world.people[name]
        if at:
            self.page.goto(at)
        self.page.get_by_label("Access key id").fill(keys["AWS_ACCESS_KEY_ID"])
        self.page.get_by_label("Secret access key").fill(keys["AWS_SECRET_ACCESS_KEY"])
        self.button("Sign in").click()

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name)

    def link(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("link", name=name)

    def heading(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("heading", name=name, exact=isinstance(name, str))

    def go(self, page: str) -> None:
        """By its name in the navigation."""
        self.page.get_by_role("navigation").get_by_role("link", name=page, exact=True).click()
        expect(self.page.get_by_role("navigation").locator("[aria-current]")).to_have_text(page)

    def block(self, environment: str) -> Locator:
        """What the overview says of one pool."""
        return self.page.get_by_role("region", name=f"biomage-user-pool-case-insensitive-{environment}")

    def count(self, words: str) -> Locator:
        """The number in front of these words among a page's counts."""
        item = self.page.locator(".counts li").filter(has=self.page.get_by_text(words, exact=True))
        return item.locator("b")

    def fits(self) -> None:
        """No part of this page is wider than the screen, on a wide one and on the smallest phone."""
        for width in (320, 1280):
            self.page.set_viewport_size({"width": width, "height": 800})
            wide = self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{self.page.url} is {wide} px wide on a screen of {width}"

    @property
    def job(self) -> int:
        """The number of the job that this page is about."""
        found = re.search(r"/(?:jobs|restore|compare)/(\d+)/", self.page.url)
        assert found, self.page.url
        return int(found[1])

    def plan(self, backup: str, pool_id: str) -> None:
        """Everybody who is missing, by the first two steps; ends at the plan."""
        self.page.goto("/restore/")
        self.page.get_by_label("From this backup").select_option(backup)
        self.button("Go on: where and how").click()
        self.page.get_by_label("Into this pool").select_option(pool_id)
        self.button("Plan this restore").click()
        expect(self.heading("The plan")).to_be_visible(timeout=LONG)

    def restore_silently(self, why: str) -> None:
        """Fill in the plan's form as it asks, and start; ends on the page of the restore."""
        plan = self.page.url
        self.page.get_by_role("radio", name=re.compile("^Silent")).check()
        self.button("Go on: confirm").click()
        self.page.get_by_label("Why, for the audit log").fill(why)
        self.page.get_by_label(re.compile("to confirm")).fill(self.page.locator("code.typed").inner_text())
        self.button(re.compile(r"^Create \d+ users? in")).click()
        self.page.wait_for_url(re.compile(r"/jobs/\d+/$"))
        assert self.page.url != plan

    def state(self, word: str) -> None:
        """Wait until the job of this page is in that state."""
        chip = self.page.get_by_role("main").get_by_text(
            re.compile(rf"^\W*{word}$")
        )  # its sign, and the word
        expect(chip.first).to_be_visible(timeout=LONG)

    def outcomes(self) -> dict[str, int]:
        return {name: self.counted(name) for name in ("created", "skipped", "failed", "messages sent")}

    def counted(self, words: str) -> int:
        return int(self.count(words).inner_text().replace(",", ""))

    def log(self) -> list[str]:
        """Every line of the job's log, the newest first."""
        return (
            self.page.get_by_role("list", name=re.compile("^Log")).get_by_role("listitem").all_inner_texts()
        )

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not SAID_NO.match(message.text):
            self.faults.append(f"{message.location.get('url')}: {message.text}")

    def _error(self, error: WebError) -> None:
        self.faults.append(str(error.error))

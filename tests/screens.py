"""``python -m tests.screens``: pictures of every page, of the demo's default world, in docs/screens/.

Light and dark at 1280 wide, some at 320. The world is made anew for it, because the pictures show a
restore; nothing of the demo's own state is touched.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from playwright.sync_api import Page, expect

import tests.settings  # noqa: F401 - it sets what the product's processes need
from tests import servers
from tests.browser.desk import LONG, Desk, chromium
from tests.demo.people import production
from tests.product import serve

FOLDER = servers.ROOT / "docs" / "screens"
WIDE, NARROW = 1280, 320
AFTERWARDS = {"identity-map": "map", "aftercare": "aftercare", "report": "report"}
TALLEST = {WIDE: 1300, NARROW: 1600}  # what follows below is more of the same rows


def main() -> int:
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="ca-") as folder, ExitStack() as stack:
        print("Making the world, which takes a minute or so ...", flush=True)
        product = serve("default", Path(folder), stack)
        browser = stack.enter_context(chromium())
        walk(Desk(browser, product), Desk(browser, product))
    print(f"{len(list(FOLDER.glob('*.png')))} pictures are in {FOLDER.relative_to(servers.ROOT)}/.")
    return 0


def walk(iva: Desk, guest: Desk) -> None:
    guest.sign_in("guest", at="/")
    expect(guest.page.get_by_text("Iva or Pol").last).to_be_visible()
    expect(guest.button("Sign in")).to_be_enabled()
    shoot(guest.page, "refused")

    iva.page.goto("/")
    shoot(iva.page, "sign-in", narrow=True)
    iva.sign_in("iva")
    expect(iva.heading("Overview")).to_be_visible()
    shoot(iva.page, "overview", narrow=True)
    iva.go("Backups")
    shoot(iva.page, "backups", narrow=True)
    iva.go("Overview")
    iva.block("production").get_by_role("link").first.click()
    expect(iva.heading(re.compile("^Backup of"))).to_be_visible()
    shoot(iva.page, "backup", narrow=True)

    iva.page.go_back()
    iva.block("staging").get_by_role("button", name="Back up now").click()
    iva.state("Done")
    shoot(iva.page, "job-backup")

    iva.go("Overview")
    iva.block("production").get_by_role("link", name="Compare with live pool").click()
    shoot(iva.page, "compare")
    iva.button("Compare A with B").click()
    expect(iva.count("only in A")).to_be_visible(timeout=LONG)
    compared = iva.page.url
    shoot(iva.page, "comparison", narrow=True)

    iva.link(re.compile("^changed")).click()
    expect(iva.page.locator("ul.changes").first).to_be_visible()
    shoot(iva.page, "comparison-rows", at="#rows")

    servers.manage("history", iva.product.settings, "--rebuild")
    iva.go("Compare")
    iva.link("History of one user").click()
    people = production()
    iva.page.get_by_label("Pool").select_option(people.pool_name)
    iva.page.get_by_label("E-mail").fill(next(p for p in people.people if p.before).email)
    iva.button("Show history").click()
    shoot(iva.page, "history", narrow=True)
    iva.go("Overview")
    iva.block("staging").get_by_role("link", name="Find the last good backup").click()
    shoot(iva.page, "find")
    iva.button("Find the last good backup").click()
    expect(iva.page.get_by_role("region", name="Around the change")).to_be_visible(timeout=LONG)
    shoot(iva.page, "found", narrow=True)

    iva.go("Restore")
    shoot(iva.page, "restore-what", narrow=True)
    iva.button("Go on: where and how").click()
    shoot(iva.page, "restore-how", narrow=True)
    iva.page.goto(compared)
    iva.button("Plan a restore of these 150 users").click()
    expect(iva.heading("The plan")).to_be_visible(timeout=LONG)
    shoot(iva.page, "plan", narrow=True)
    planned = iva.page.url
    iva.page.goto(f"{planned}confirm/?messages=silent")
    shoot(iva.page, "restore-confirm", narrow=True)
    iva.page.goto(planned)
    iva.restore_silently("the clean-up script deleted people")
    expect(iva.count("created")).to_have_text(re.compile(r"^[3-9]\d$|^1\d\d$"), timeout=LONG)
    shoot(iva.page, "job-running")
    iva.state("Done")
    iva.page.reload()
    shoot(iva.page, "job-done", narrow=True)
    restored = iva.page.url
    for page, name in AFTERWARDS.items():
        iva.page.goto(f"{restored}{page}/")
        shoot(iva.page, name, narrow=True)
    iva.page.goto(restored)
    iva.link("Who is in again").click()
    iva.button("Read the pool now").click()
    expect(iva.page.get_by_role("region", name="By word")).to_be_visible(timeout=LONG)
    shoot(iva.page, "people", narrow=True)
    iva.page.goto(restored)
    iva.button("Plan an undo of this restore").click()
    expect(iva.heading("By reason")).to_be_visible(timeout=LONG)
    shoot(iva.page, "undo", narrow=True)
    iva.go("Jobs")
    shoot(iva.page, "jobs")
    iva.go("Audit")
    shoot(iva.page, "audit", narrow=True)
    iva.go("Settings")
    shoot(iva.page, "settings", narrow=True)


def shoot(page: Page, name: str, *, narrow: bool = False, at: str = "body") -> None:
    """The page as it stands, from the top of ``at``: in both schemes, and where asked on a narrow screen."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        take(page, f"{name}-{scheme}", WIDE, at)
    page.emulate_media(color_scheme="light")
    if narrow:
        page.set_viewport_size({"width": NARROW, "height": 800})
        take(page, f"{name}-narrow", NARROW, at)
        page.set_viewport_size({"width": WIDE, "height": 800})


def take(page: Page, name: str, width: int, at: str) -> None:
    top = int(page.locator(at).evaluate("it => it.getBoundingClientRect().top + scrollY"))
    height = min(TALLEST[width], int(page.evaluate("document.documentElement.scrollHeight")) - top)
    page.screenshot(
        path=FOLDER / f"{name}.png",
        full_page=True,
        animations="disabled",
        clip={"x": 0, "y": top, "width": width, "height": height},
    )
    print(f"  {name}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

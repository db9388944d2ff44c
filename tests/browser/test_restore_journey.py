"""The main job from end to end, as Iva does it on the bad day."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Sit
from tests.browser.desk import LONG, Desk
from tests.demo import people
from tests.product import Product

pytestmark = pytest.mark.browser

ENDED = re.compile(r"150 created and read back")


def users_of(product: Product, pool_id: str) -> Iterator[dict[str, str]]:
    """Every user's attributes, as the pool's own ListUsers gives them to its root."""
    for page in product.root("cognito-idp").get_paginator("list_users").paginate(UserPoolId=pool_id):
        for user in page["Users"]:
            yield {a["Name"]: a["Value"] for a in user["Attributes"]}


def test_from_a_refused_guest_to_everybody_restored(default: Product, sit: Sit, tmp_path: Path) -> None:
    pool_id = default.world.pools["production"]
    cast = people.production()
    missing = [p for p in cast.at(people.WEEKS - 1) if p.number in cast.drift.missing]
    changed = sum(person != cast.people[person.number] for person in cast.drift.now)

    # A guest is told who he is and whom to ask.
    guest = sit(default)
    guest.sign_in("guest", at="/backups/")
    answer = guest.page.get_by_role("status").filter(has_text="guest")
    expect(answer).to_contain_text("engineering")
    expect(answer).to_contain_text("Iva or Pol")
    guest.page.goto("/backups/")
    expect(guest.heading("Sign in with AWS")).to_be_visible()

    # Iva is let in, and the suggested backup of production is on top.
    iva = sit(default)
    iva.sign_in("iva", at="/")
    expect(iva.heading("Overview")).to_be_visible()
    first = iva.page.get_by_role("region", name=re.compile("^biomage")).first
    expect(first).to_have_accessible_name(cast.pool_name)
    expect(first).to_contain_text("Suggested backup:")
    expect(first).to_contain_text("2,000 users")
    expect(first).to_contain_text("ours")

    # Compared with the live pool, the differences are those that were made.
    first.get_by_role("link", name="Compare with live pool").click()
    iva.button("Compare A with B").click()
    expect(iva.count("only in A")).to_have_text("150", timeout=LONG)
    assert iva.counted("only in B") == len(cast.drift.newcomers)
    assert iva.counted("changed") == changed
    assert iva.counted("the same") == 2000 - 150 - changed

    # From there a plan of exactly these is one click away, and names the choice.
    comparison = iva.job
    iva.button("Plan a restore of these 150 users").click()
    expect(iva.heading("The plan")).to_be_visible(timeout=LONG)
    expect(iva.page.get_by_text(f"Only 150 users chosen from comparison {comparison}.")).to_be_visible()
    expect(iva.link("create 150")).to_be_visible()
    expect(iva.link("skip 0")).to_be_visible()

    # The plan of everything missing says what will be done, and writes nothing.
    iva.go("Restore")
    iva.button("Go on: where and how").click()
    iva.button("Plan this restore").click()
    expect(iva.heading("The plan")).to_be_visible(timeout=LONG)
    expect(iva.link("create 150")).to_be_visible()
    expect(iva.link("skip 1,850")).to_be_visible()
    expect(iva.link("cannot 0")).to_be_visible()
    held = [user["email"] for user in users_of(default, pool_id)]
    assert not {p.email for p in missing} & set(held)

    # It is carried out while she watches: the numbers move, and the page is the same one.
    iva.restore_silently("the clean-up script deleted people")
    restore, job = iva.page.url, iva.job
    iva.page.evaluate("window.untouched = true")
    created = iva.count("created")
    expect(created).to_have_text(re.compile("^[1-9]"), timeout=LONG)
    some = created.inner_text()
    assert 0 < int(some) < 150
    expect(created).not_to_have_text(some, timeout=LONG)
    expect(iva.page.get_by_text(ENDED).first).to_be_visible(timeout=LONG)
    iva.state("Done")
    assert iva.page.evaluate("window.untouched") is True
    assert iva.outcomes() == {"created": 150, "skipped": 1850, "failed": 0, "messages sent": 0}
    assert iva.counted("read back and confirmed") == 150
    expect(iva.page.locator("#users")).to_contain_text("confirmed", timeout=LONG)

    # Closed and opened again, the log is what it was.
    log = iva.log()
    assert any("Asked for by iva" in line for line in log)
    iva.page.close()
    iva.page = iva.context.new_page()
    iva.page.goto(restore)
    assert iva.log() == log
    assert iva.outcomes() == {"created": 150, "skipped": 1850, "failed": 0, "messages sent": 0}

    # The identity map names everybody, and the new subs are the pool's own.
    with iva.page.expect_download() as downloading:
        iva.link("Download identity map").click()
    downloading.value.save_as(tmp_path / "map.csv")
    text = (tmp_path / "map.csv").read_text("utf-8")
    assert text.splitlines()[0] == "old_sub,new_sub,old_username,new_username,email,how"
    rows = {row["email"]: row for row in csv.DictReader(text.splitlines())}
    there = {user["email"]: user["sub"] for user in users_of(default, pool_id)}
    assert len(text.splitlines()) == 2001
    assert {email: row["new_sub"] for email, row in rows.items()} == {email: there[email] for email in rows}
    came_back = {p.email for p in missing}
    assert {email for email, row in rows.items() if row["old_sub"] != row["new_sub"]} == came_back
    assert len(there) == 2000 + len(cast.drift.newcomers)

    # Who of them is in again: nobody yet, and nobody waits for an invitation. The pages fit a phone.
    iva.fits()
    for page in ("Aftercare", "Identity map", "Report", "Who is in again"):
        iva.page.goto(restore)
        iva.page.get_by_role("link", name=page, exact=True).click()
        expect(iva.page).not_to_have_url(restore)
        iva.fits()
    iva.button("Read the pool now").click()
    by_word = iva.page.get_by_role("region", name="By word")
    expect(by_word.get_by_role("listitem").filter(has_text="Not yet")).to_contain_text("150", timeout=LONG)
    expect(iva.button(re.compile("^Invite"))).to_have_count(0)
    iva.fits()

    # The audit log shows it all, and is filtered by person and by act.
    iva.go("Audit")
    of_the_restore = ("restore.asked", "restore.intended", "restore.ended", "identity-map.downloaded")
    of_what_came_before = ("session.signed-in", "compare.asked", "compare.ended", "plan.asked", "plan.ended")
    acts = iva.page.locator("tbody code").all_inner_texts()
    assert set(of_the_restore) | set(of_what_came_before) <= set(acts)
    for act in of_the_restore:
        expect(iva.page.get_by_role("row").filter(has_text=act)).to_contain_text(f"job {job}")
    iva.page.get_by_label(re.compile("^Person")).select_option("guest")
    iva.button("Filter").click()
    only = iva.page.locator("tbody tr")
    expect(only).to_have_count(1)
    expect(only).to_contain_text("was refused at sign-in")
    iva.page.get_by_label(re.compile("^Person")).select_option("")
    iva.page.get_by_label(re.compile("^Act")).select_option("restore.ended")
    iva.button("Filter").click()
    expect(only).to_have_count(1)
    expect(only).to_contain_text(f"job {job}")
    expect(only).to_contain_text("iva")

    # Signed out: neither the back button nor an address shows anything, and signing in returns there.
    iva.button("Sign out").click()
    expect(iva.heading("Sign in with AWS")).to_be_visible()
    iva.page.go_back()
    expect(iva.heading("Sign in with AWS")).to_be_visible()
    iva.sign_in("iva", at=restore)
    expect(iva.page).to_have_url(restore)
    assert iva.log() == log


def test_a_person_who_signs_out_elsewhere_is_told_that_the_job_goes_on(default: Product, sit: Sit) -> None:
    iva = sit(default)
    iva.sign_in("iva", at="/")
    expect(iva.heading("Overview")).to_be_visible()
    iva.button("Sign out").click()
    expect(iva.page.get_by_text("they run on the server")).to_be_visible()


def test_what_the_browser_would_refuse_is_seen(default: Product, sit: Sit) -> None:
    """The other tests rest on it: an inline script is refused, and the desk has it in writing."""
    anybody: Desk = sit(default)
    anybody.page.goto("/sign-in/")
    inline = "Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'})"
    anybody.page.evaluate(f"document.head.append({inline})")
    assert anybody.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in fault for fault in anybody.faults)
    anybody.faults.clear()


def test_no_page_is_wider_than_the_screen(default: Product, sit: Sit) -> None:
    iva = sit(default)
    iva.sign_in("iva", at="/")
    expect(iva.heading("Overview")).to_be_visible()
    iva.go("Backups")
    addresses = ["/", "/backups/", "/compare/", "/restore/", "/jobs/", "/audit/", "/settings/"]
    addresses.append(iva.page.locator("tbody a").first.get_attribute("href") or "")
    for address in addresses:
        iva.page.goto(address)
        iva.fits()

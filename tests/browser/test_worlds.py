"""What the pages say on other days: the pool was emptied, or the team has only just begun."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests import servers
from tests.browser.conftest import Sit
from tests.browser.desk import LONG, Desk
from tests.build import an_email_pool
from tests.demo import people
from tests.product import Product

pytestmark = pytest.mark.browser

SAMPLE = servers.ROOT / "tests" / "samples" / "cbr-users.json"


def iva_at(product: Product, sit: Sit) -> Desk:
    desk = sit(product)
    desk.sign_in("iva", at="/")
    expect(desk.heading("Overview")).to_be_visible()
    return desk


def users_of(product: Product, pool_id: str) -> dict[str, dict[str, Any]]:
    """The pool's users by e-mail, with their attributes as ``values``, read as the account's root."""
    found = {}
    for page in product.root("cognito-idp").get_paginator("list_users").paginate(UserPoolId=pool_id):
        for user in page["Users"]:
            values = {a["Name"]: a["Value"] for a in user["Attributes"]}
            assert values["email"] not in found, "nobody is there twice"
            found[values["email"]] = {**user, "values": values}
    return found


# --- emptied --------------------------------------------------------------------------------------


def test_the_backup_of_the_emptied_pool_is_passed_over(emptied: Product, sit: Sit) -> None:
    iva = iva_at(emptied, sit)
    block = iva.block("production")
    expect(block).to_contain_text(re.compile("Suggested backup:.*2,000 users"))
    expect(block).to_contain_text("3 users, a fall of 99 % from 2,000")
    expect(block).to_contain_text(re.compile("About 3 users .* holds 2,000"))

    prepare = block.get_by_role("link", name="Prepare restore").get_attribute("href")
    iva.go("Backups")
    newest = iva.page.locator("tbody tr").first
    expect(newest).to_contain_text("production")
    expect(newest).not_to_contain_text("suggested")
    expect(newest.get_by_role("cell").nth(2)).to_contain_text("3")
    expect(iva.page.locator("tbody tr").nth(1)).to_contain_text("Not suggested: 3 users, a fall of 99 %")

    iva.page.goto(str(prepare))
    chosen = iva.page.get_by_label("From this backup").locator("option:checked")
    expect(chosen).to_contain_text("2,000 users")


def test_an_invitation_over_the_days_limit_and_a_wrong_confirmation_write_nothing(
    emptied: Product, sit: Sit
) -> None:
    pool_id = emptied.world.pools["production"]
    before = users_of(emptied, pool_id)
    iva = iva_at(emptied, sit)
    iva.block("production").get_by_role("link", name="Prepare restore").click()
    iva.button("Go on: where and how").click()
    iva.button("Plan this restore").click()
    expect(iva.heading("The plan")).to_be_visible(timeout=LONG)

    invite = iva.page.get_by_role("radio", name=re.compile("^Invite"))
    expect(invite).to_be_enabled()
    way = iva.page.locator("label").filter(has=invite)
    mails = re.search(r"([\d,]+) mails we send", " ".join(way.inner_text().split()))
    assert mails
    expect(way).to_contain_text("50 mails a day")
    expect(way).to_contain_text(re.compile(r"the last person is back on \d+ \w+ \d{4}"))

    iva.page.get_by_role("radio", name=re.compile("^Silent")).check()
    iva.button("Go on: confirm").click()
    iva.page.get_by_label("Why, for the audit log").fill("somebody emptied it")
    iva.page.get_by_label(re.compile("to confirm")).fill("production 3")
    iva.button(re.compile("^Create [0-9,]+ users in")).click()
    expect(iva.page.get_by_role("alert")).to_contain_text("Nothing was written")
    expect(iva.page.get_by_label("Why, for the audit log")).to_have_value("somebody emptied it")
    expect(iva.page.get_by_label(re.compile("to confirm"))).to_have_value("production 3")

    iva.page.goto("/jobs/?kind=restore")
    expect(iva.page.get_by_role("row").filter(has_text="-production")).to_have_count(0)
    assert users_of(emptied, pool_id) == before


def test_a_backup_of_staging_does_not_go_into_production(emptied: Product, sit: Sit) -> None:
    pool_id = emptied.world.pools["production"]
    before = users_of(emptied, pool_id)
    iva = iva_at(emptied, sit)
    iva.block("staging").get_by_role("link", name="Prepare restore").click()
    iva.button("Go on: where and how").click()
    iva.page.get_by_label("Into this pool").select_option(pool_id)
    iva.button("Plan this restore").click()
    expect(iva.heading("This plan cannot be started")).to_be_visible(timeout=LONG)
    expect(iva.page.get_by_role("main")).to_contain_text(
        "This backup is of another environment (staging): it was made from "
        "biomage-user-pool-case-insensitive-staging"
    )
    expect(iva.button(re.compile("^Create"))).to_have_count(0)
    assert users_of(emptied, pool_id) == before


def test_a_worker_killed_in_the_middle_is_replaced_and_everybody_is_created_once(
    emptied: Product, sit: Sit
) -> None:
    pool_id = emptied.world.pools["staging"]
    before = users_of(emptied, pool_id)
    cast = people.staging()
    left = [p for p in cast.at(people.WEEKS - 2) if p.email not in before]
    back = {p.email for p in left if not p.provider and p.status != "UNCONFIRMED"}
    assert len(back) > 100

    iva = iva_at(emptied, sit)
    expect(iva.block("staging")).to_contain_text("120 users, a fall of 60 % from 300")
    iva.block("staging").get_by_role("link", name="Prepare restore").click()
    iva.button("Go on: where and how").click()
    iva.button("Plan this restore").click()
    expect(iva.link(f"create {len(back)}")).to_be_visible(timeout=LONG)
    iva.restore_silently("a clean-up that went wrong")
    expect(iva.count("created")).to_have_text(re.compile("^[1-9]"), timeout=LONG)

    emptied.worker.kill()
    there = len(users_of(emptied, pool_id)) - len(before)
    assert 0 < there < len(back), "it was in the middle"
    emptied.start_worker()
    iva.state("Done")
    expect(iva.page.get_by_text(f"{len(back)} created and read back").first).to_be_visible()
    assert iva.counted("created") == iva.counted("read back and confirmed") == len(back)
    assert iva.counted("failed") == iva.counted("messages sent") == 0
    assert any("Taken up again" in line for line in iva.log())

    now = users_of(emptied, pool_id)
    assert now.keys() - before.keys() == back
    assert before.items() <= now.items()
    assert all(now[p.email]["Enabled"] is p.enabled for p in left if p.email in back)


# --- day one --------------------------------------------------------------------------------------


def test_on_the_first_day_the_gone_pool_is_said_and_cbrs_files_can_be_used(
    day_one: Product, sit: Sit
) -> None:
    iva = iva_at(day_one, sit)
    block = iva.block("production")
    expect(block).to_contain_text("gone")
    expect(block).to_contain_text("No pool of this name in eu-west-1")
    expect(block).to_contain_text(re.compile("Suggested backup:.*2,000 users"))
    expect(block).to_contain_text("users only")
    expect(block).to_contain_text("origin unknown")
    expect(block.get_by_role("button", name="Back up now")).to_have_count(0)

    iva.go("Backups")
    iva.page.get_by_label("What is in it").select_option("complete")
    iva.button("Filter").click()
    expect(iva.page.get_by_text("No backup fits this filter.")).to_be_visible()
    iva.page.get_by_label("What is in it").select_option("users-only")
    iva.button("Filter").click()
    expect(iva.page.get_by_text("24 backups shown")).to_be_visible()


def test_cbrs_file_is_uploaded_compared_and_restored_into_an_empty_pool(day_one: Product, sit: Sit) -> None:
    pool_id = an_email_pool(day_one.root("cognito-idp"), "drill-staging")
    iva = iva_at(day_one, sit)
    iva.go("Backups")
    iva.page.get_by_label("File", exact=True).set_input_files(SAMPLE)
    iva.button("Upload 1 backup file").click()
    expect(iva.page.get_by_text("Uploaded file cbr-users.json")).to_be_visible()
    expect(iva.page.get_by_text("origin unknown").first).to_be_visible()
    key = re.search(r"/backups/(.+)/$", iva.page.url)
    assert key
    iva.go("Backups")
    listed = iva.page.locator("tbody tr").filter(has_text="cbr-users.json")
    expect(listed).to_contain_text("unknown")
    expect(listed).to_contain_text("iva")
    expect(listed.get_by_role("cell").nth(2)).to_contain_text("8")
    iva.button("Look again").click()  # the pool was made a moment ago

    iva.page.goto(f"/compare/?from={key[1]}")
    iva.page.get_by_label("B, to").select_option(f"live:{pool_id}")
    iva.button("Compare A with B").click()
    expect(iva.count("only in A")).to_have_text("8", timeout=LONG)
    assert (iva.counted("only in B"), iva.counted("changed"), iva.counted("the same")) == (0, 0, 0)

    iva.plan(key[1], pool_id)
    expect(iva.link("create 5")).to_be_visible()
    iva.restore_silently("a drill")
    iva.state("Done")
    expect(iva.page.get_by_text("5 created and read back").first).to_be_visible()
    assert iva.outcomes() == {"created": 5, "skipped": 3, "failed": 0, "messages sent": 0}
    causes = iva.page.get_by_role("listitem")
    for reason in (
        "signs in through Google as well; links are not put back unless that is chosen",
        "has no e-mail, which is the username in this pool",
        "has the same e-mail or name as another user of this backup, who comes first",
    ):
        expect(causes.filter(has_text=reason).filter(has_text="1 user")).to_have_count(1)

    users = users_of(day_one, pool_id)
    assert {email: user["Enabled"] for email, user in users.items()} == {
        "alice@example.org": True,
        "bob@example.org": False,
        "carol@example.org": True,
        "eve@example.org": True,
        "unverified@example.org": True,
    }
    assert {email: user["values"]["email_verified"] for email, user in users.items()} == {
        "alice@example.org": "true",
        "bob@example.org": "true",
        "carol@example.org": "true",
        "eve@example.org": "true",
        "unverified@example.org": "false",
    }
    alice = {**users["alice@example.org"]["values"], "sub": ""}
    assert alice == {
        "sub": "",
        "name": 'Älice Ünï "Q" \\ 日本',
        "email": "alice@example.org",
        "email_verified": "true",
        "custom:institution": "Harvard",
        "custom:agreed_terms": "true",
        "custom:agreed_emails": "false",
    }
    assert users["eve@example.org"]["values"]["name"] == "Eve"


def test_a_file_that_is_no_backup_is_refused_in_words(day_one: Product, sit: Sit, tmp_path: Path) -> None:
    cut = tmp_path / "cut.json"
    cut.write_bytes(SAMPLE.read_bytes()[:900])
    iva = iva_at(day_one, sit)
    iva.go("Backups")
    iva.page.get_by_label("File", exact=True).set_input_files(cut)
    iva.button("Upload 1 backup file").click()
    expect(iva.page.get_by_role("alert")).to_contain_text("cut.json is not a backup")
    expect(iva.page.get_by_role("alert")).to_contain_text("Nothing was kept.")
    expect(iva.page.locator("tbody tr").filter(has_text="cut.json")).to_have_count(0)


def test_back_up_now_makes_a_backup_that_is_whole_and_checked(day_one: Product, sit: Sit) -> None:
    iva = iva_at(day_one, sit)
    iva.block("staging").get_by_role("button", name="Back up now").click()
    iva.state("Done")
    expect(iva.heading(re.compile("^Backed up 120 users of"))).to_be_visible()
    iva.link("Open this backup").click()
    expect(iva.page.get_by_text("The bytes were read back and agree with the manifest.")).to_be_visible()
    iva.go("Backups")
    newest = iva.page.locator("tbody tr").filter(has_text="iva").filter(has_text="staging")
    expect(newest).to_have_count(1)
    for words in ("120", "complete", "checked", "ours"):
        expect(newest).to_contain_text(words)

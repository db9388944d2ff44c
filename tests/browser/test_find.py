"""Staging lost most of its users between two backups: which two, in a few clicks from the overview."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Sit
from tests.browser.desk import LONG
from tests.demo import people, worlds
from tests.product import Product

pytestmark = pytest.mark.browser


def test_stagings_fall_is_found_and_its_comparison_opened_in_under_five_clicks(
    default: Product, sit: Sit
) -> None:
    cast, now = people.staging(), datetime.now(UTC)
    last, first = (worlds.sunday(now, week) for week in (people.WEEKS - 2, people.WEEKS - 1))
    before, after = (cast.at(week) for week in (people.WEEKS - 2, people.WEEKS - 1))
    lost = len({p.number for p in before} - {p.number for p in after})
    assert (len(before), len(after)) == (300, 120), "the world has the fall that this is about"
    clicks = 0

    def click(what: Locator) -> None:
        nonlocal clicks
        clicks += 1
        what.click()

    iva = sit(default)
    iva.sign_in("iva", at="/")
    expect(iva.heading("Overview")).to_be_visible()

    click(iva.block("staging").get_by_role("link", name="Find the last good backup"))
    expect(iva.page.get_by_label("Pool")).to_have_value(cast.pool_name)
    expect(iva.page.get_by_role("radio", name="at least so many users")).to_be_checked()
    expect(iva.page.get_by_label("Number of users")).to_have_value("285")

    click(iva.button("Find the last good backup"))
    verdict = iva.page.get_by_role("region", name="Verdict")
    expect(verdict).to_contain_text(
        f"At least 285 users are in the backup of {last:%Y-%m-%d %H:%M} UTC "
        f"and no longer in that of {first:%Y-%m-%d %H:%M} UTC.",
        timeout=LONG,
    )
    expect(verdict).to_contain_text("0 were read")
    pair = iva.page.get_by_role("region", name="Around the change").get_by_role("row")
    expect(pair.nth(1)).to_contain_text(re.compile(rf"last good\s.*{last:%Y-%m-%d}.*\s300\s", re.S))
    expect(pair.nth(2)).to_contain_text(re.compile(rf"first not good\s.*{first:%Y-%m-%d}.*\s120\s", re.S))

    click(iva.button("Compare these two"))
    expect(iva.page).to_have_url(re.compile(r"/compare/\d+/$"))
    expect(iva.count("only in A").first).to_have_text(str(lost), timeout=LONG)
    sides = iva.page.locator("dl.kv dd")
    expect(sides.nth(0)).to_contain_text(f"{last:%Y-%m-%d %H:%M} UTC of {cast.pool_name}")
    expect(sides.nth(1)).to_contain_text(f"{first:%Y-%m-%d %H:%M} UTC of {cast.pool_name}")
    assert clicks < 5


def test_a_user_is_looked_for_by_e_mail_and_stays_masked(default: Product, sit: Sit) -> None:
    cast, now = people.staging(), datetime.now(UTC)
    lost = next(p for p in cast.people if p.joined == 0 and p.left == people.WEEKS - 1)
    last, first = (worlds.sunday(now, week) for week in (people.WEEKS - 2, people.WEEKS - 1))
    iva = sit(default)
    iva.sign_in("iva", at="/")
    iva.go("Compare")
    form = iva.page.get_by_role("region", name="Find the last good backup")
    form.get_by_label("Pool").select_option(cast.pool_name)
    form.get_by_label("E-mail, Username or sub", exact=True).fill(lost.email.upper())
    iva.button("Find the last good backup").click()
    verdict = iva.page.get_by_role("region", name="Verdict")
    domain = lost.email.upper().partition("@")[2]
    expect(verdict).to_contain_text(
        f"{lost.email[:1].upper()}••••@{domain} is in the backup of {last:%Y-%m-%d %H:%M} UTC "
        f"and no longer in that of {first:%Y-%m-%d %H:%M} UTC.",
        timeout=LONG,
    )
    assert lost.email.casefold() not in iva.page.content().casefold()
    expect(iva.link("Plan a restore from the last good one")).to_have_attribute(
        "href", re.compile(rf"/restore/\?backup={last:%Y-%m-%d}")
    )

"""What became of one user, from backup to backup: a click from the comparisons, masked until revealed."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from backups.core.snapshot import mask
from tests import servers
from tests.browser.conftest import Sit
from tests.demo import people, worlds
from tests.product import Product

pytestmark = pytest.mark.browser


def test_a_users_history_is_read_from_the_comparisons_and_stays_masked_until_it_is_revealed(
    default: Product, sit: Sit
) -> None:
    cast, now = people.staging(), datetime.now(UTC)
    servers.manage("history", default.settings, "--rebuild", "--pool", cast.pool_name)
    ada = next(
        p
        for p in cast.people
        if p.joined == 0 and p.left == people.WEEKS and [one.what for one in p.before] == ["name"]
    )
    (change,) = ada.before
    before, after = (worlds.sunday(now, week) for week in (change.week - 1, change.week))
    iva = sit(default)
    iva.sign_in("iva", at="/")
    iva.go("Compare")
    iva.link("History of one user").click()
    expect(iva.heading("History of one user")).to_be_visible()
    iva.page.get_by_label("Pool").select_option(cast.pool_name)
    iva.page.get_by_label("E-mail, Username or sub").fill(ada.email.upper())
    iva.button("Show history").click()

    verdict = iva.page.locator("section.verdict")
    expect(verdict).to_contain_text("There in the newest indexed backup")
    expect(verdict).to_contain_text(mask(ada.email))
    since = f"Changed since the backup of {before:%Y-%m-%d %H:%M} UTC"
    row = iva.page.get_by_role("row").filter(has_text=since)
    expect(row).to_contain_text(f"{after:%Y-%m-%d %H:%M} UTC")
    expect(row.locator("del")).to_have_text(change.old)
    expect(row.locator("ins")).to_have_text(ada.name)
    expect(
        row.get_by_role(
            "link",
            name=f"Compare the backups of {before:%Y-%m-%d %H:%M} UTC and {after:%Y-%m-%d %H:%M} UTC",
        )
    ).to_be_visible()

    expect(iva.page.get_by_role("row").filter(has_text="Seen first")).to_be_visible()
    assert ada.email not in iva.page.content()
    iva.fits()

    iva.page.get_by_text("Reveal e-mails…").click()
    iva.page.get_by_label(re.compile("^Why, in a few words")).fill("somebody asked about their own account")
    iva.button("Reveal e-mails for 15 minutes").click()
    expect(iva.page.get_by_text("E-mails are shown in clear for up to 15 minutes.")).to_be_visible()
    expect(verdict).to_contain_text(ada.email)
    expect(row).to_be_visible()

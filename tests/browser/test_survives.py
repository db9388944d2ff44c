"""A restore is watched while the pages' process and the worker are killed: the page goes on by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests import servers
from tests.browser.conftest import Sit
from tests.browser.desk import LONG, Desk
from tests.product import Product
from tests.standin.client import Standin

pytestmark = pytest.mark.browser

AWAY = re.compile(
    r"net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)"
)
"""What a browser notes about a server that was killed."""

ROWS = """
import json, sys
from django.template.loader import render_to_string
from backups.models import Event
rows = Event.objects.filter(job={job}, kind__in=("line", "phase", "state")).order_by("pk")
print(json.dumps([render_to_string("jobs/_line.html", {{"event": row}}) for row in rows]))
"""


def rows_of(product: Product, job: int) -> list[str]:
    """The lines of the job's event rows, the newest first, as a page's log reads."""
    code = ROWS.format(job=job)
    told = json.loads(servers.manage("shell", product.settings, "--no-imports", "-c", code))
    items = [
        item for html in reversed(told) for item in re.findall(r"<li\b[^>]*>(.*?)</li>", html, re.DOTALL)
    ]
    return [re.sub(r"<[^>]+>", "", item) for item in items]


def moves_on(desk: Desk) -> None:
    """More users have been created than now."""
    created = desk.count("created")
    some = created.inner_text()
    expect(created).not_to_have_text(some, timeout=LONG)
    assert desk.counted("created") > int(some)


@pytest.mark.skipif(servers.chosen_cognito() != "standin", reason="only the stand-in is slow when it is told")
def test_a_restore_is_followed_to_its_end_though_web_and_worker_are_killed(
    product: Callable[..., Product], sit: Sit, tmp_path: Path
) -> None:
    world = product("emptied", LEASE_SECONDS="3", SWEEP_SECONDS="1")
    cognito = Standin(world.cloud.cognito.url)
    web = servers.web(tmp_path, world.settings)
    web.wait()
    iva = sit(replace(world, url=web.url))
    iva.sign_in("iva", at="/")
    iva.block("staging").get_by_role("link", name="Prepare restore").click()
    iva.button("Go on: where and how").click()
    iva.button("Plan this restore").click()
    expect(iva.heading("The plan")).to_be_visible(timeout=LONG)
    cognito.latency(AdminCreateUser=2.0)  # so that the end does not come before both were killed
    iva.restore_silently("a clean-up that went wrong")
    iva.page.evaluate("window.untouched = true")
    said = iva.page.locator(".live-status")
    expect(iva.count("created")).to_have_text(re.compile("^[1-9]"), timeout=LONG)

    web.kill()
    expect(said).to_contain_text("Reconnecting. The job runs on the server.", timeout=LONG)
    with servers.running(servers.web(tmp_path, world.settings, port=urlsplit(web.url).port or 0)):
        expect(said).to_be_empty(timeout=LONG)
        moves_on(iva)

        world.worker.kill()
        assert int(iva.count("left").inner_text()) > 0, "it was in the middle"
        cognito.latency()
        world.start_worker()
        moves_on(iva)
        iva.state("Done")
        expect(iva.page.locator("#users")).to_contain_text("confirmed", timeout=LONG)

        assert iva.page.evaluate("window.untouched") is True
        assert iva.counted("created") == iva.counted("read back and confirmed") > 100
        assert iva.counted("failed") == iva.counted("messages sent") == 0
        log = iva.log()
        assert any("Taken up again" in line for line in log)
        assert log == rows_of(world, iva.job)
    assert [fault for fault in iva.faults if not AWAY.search(fault)] == []
    iva.faults.clear()
    web.stop()

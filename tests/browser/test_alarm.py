"""A pool is emptied between two backups: somebody is told of it, and the page leads to the restore."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Sit
from tests.browser.desk import LONG
from tests.product import Product

pytestmark = pytest.mark.browser

KEY = b"what our pager and we have agreed on"


@dataclass
class Pager:
    """Somebody's webhook: takes what is signed with our key, and wakes whoever is on duty."""

    url: str = ""
    told: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0

    def take(self, headers: Any, body: bytes) -> int:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        signature = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        if headers["webhook-signature"] != f"v1,{signature}":
            self.refused += 1
            return 401
        self.told.append(json.loads(body))
        return 204

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [told["data"] for told in self.told if told["data"].get("kind") == kind]


@pytest.fixture(scope="module")
def pager() -> Iterator[Pager]:
    pager = Pager()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(pager.take(self.headers, body))
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        pager.url = f"http://127.0.0.1:{server.server_address[1]}/page"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield pager
        server.shutdown()


def empty(product: Product, pool_id: str) -> int:
    """A clean-up script that went wrong. Returns how many users it deleted."""
    cognito = product.root("cognito-idp")
    deleted = 0
    with product.cloud.unlimited():
        while users := cognito.list_users(UserPoolId=pool_id)["Users"]:
            for user in users:
                cognito.admin_delete_user(UserPoolId=pool_id, Username=user["Username"])
                deleted += 1
    return deleted


def test_a_schedule_is_decided_the_pool_is_emptied_and_the_pager_is_told_at_the_next_look(
    product: Callable[..., Product], sit: Sit, pager: Pager
) -> None:
    world = product(
        "default",
        LOOK_SECONDS="5",
        WATCH_SECONDS="2",
        ALARM_WEBHOOK=pager.url,
        ALARM_WEBHOOK_KEY=f"whsec_{base64.b64encode(KEY).decode()}",
        PUBLIC_URL="http://127.0.0.1:8000",
    )
    iva = sit(world)
    iva.sign_in("iva", at="/")
    expect(iva.block("staging")).to_contain_text("nobody has decided when")

    # The pager is known to work before it is needed.
    iva.go("Settings")
    iva.button("Send test to the webhook").click()
    told = iva.page.get_by_role("row").filter(has_text=re.compile("^\\s*webhook"))
    expect(told).to_contain_text("204", timeout=LONG)
    assert [message["type"] for message in pager.told if message["type"] == "alarm.test"] == ["alarm.test"]

    # Iva decides when staging is backed up, and the overview says the next run.
    its_own = iva.page.get_by_role("button", name="Set the policy of staging", include_hidden=True)
    policy = iva.page.get_by_role("row").filter(has=its_own)
    policy.get_by_text("Start with another policy").click()
    policy.get_by_label("Schedule, as a cron expression").fill("* * * * *")
    policy.get_by_role("button", name="Set the policy of staging").click()
    expect(iva.page.get_by_role("alert")).to_contain_text("15 minutes have to lie between two of them")
    expect(policy.get_by_label("Schedule, as a cron expression")).to_have_value("* * * * *")
    policy.get_by_label("Schedule, as a cron expression").fill("23 * * * *")
    policy.get_by_role("button", name="Set the policy of staging").click()
    expect(iva.page.get_by_role("main")).to_contain_text("every hour at :23")
    iva.go("Overview")
    block = iva.block("staging")
    expect(block).to_contain_text("every hour at :23")
    expect(block).to_contain_text(re.compile(r"Next backup: \d{4}-\d\d-\d\d \d\d:23 UTC"))

    # The pool is emptied: the pager hears of it, with what is still true and where to go.
    assert empty(world, world.world.pools["staging"]) > 100
    for _ in range(60):
        if pager.of("emptied"):
            break
        iva.page.wait_for_timeout(1000)
    (alarm,) = pager.of("emptied")
    assert alarm["pool"] == "biomage-user-pool-case-insensitive-staging"
    assert alarm["environment"] == "staging"
    assert alarm["url"].startswith("http://127.0.0.1:8000/")
    assert pager.refused == 0

    # The overview says it first, and the restore is one click away.
    iva.page.reload()
    verdict = iva.page.get_by_role("region", name="Verdict")
    expect(verdict).to_contain_text("staging")
    for sentence in alarm["sentence"].split(". "):
        expect(verdict).to_contain_text(sentence)
    expect(iva.page.get_by_role("main")).to_contain_text("pool emptied")
    verdict.get_by_role("link", name="Prepare restore").click()
    chosen = iva.page.get_by_label("From this backup").locator("option:checked")
    expect(chosen).to_contain_text("staging")

    iva.go("Settings")
    expect(told).to_contain_text("204")
    iva.go("Audit")
    acts = iva.page.locator("tbody code").all_inner_texts()
    assert {"policy.set", "alarm.tested"} <= set(acts)

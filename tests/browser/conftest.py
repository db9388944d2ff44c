"""A desk for whoever asks for one. A browser that complained about a page fails the test that opened it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.desk import Desk, chromium
from tests.product import Product

Sit = Callable[[Product], Desk]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # Not longer than this folder's tests: while Playwright runs, Django's ORM refuses this thread.
    with chromium() as launched:
        yield launched


@pytest.fixture
def sit(browser: Browser) -> Iterator[Sit]:
    desks: list[Desk] = []

    def at(product: Product) -> Desk:
        desks.append(Desk(browser, product))
        return desks[-1]

    yield at
    for desk in desks:
        desk.context.close()
    assert [fault for desk in desks for fault in desk.faults] == []


@pytest.fixture(scope="session")
def default(product: Callable[..., Product]) -> Product:
    return product("default")


@pytest.fixture(scope="session")
def emptied(product: Callable[..., Product]) -> Product:
    """Its jobs are taken over soon after their worker is gone."""
    return product("emptied", LEASE_SECONDS="3")


@pytest.fixture(scope="session")
def day_one(product: Callable[..., Product]) -> Product:
    return product("day-one")

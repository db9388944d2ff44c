"""Health for a load balancer, and the pages for when something is refused or breaks."""

from __future__ import annotations

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from pytest_django import Settings

from backups.views import errors


@pytest.mark.django_db
def test_health_needs_no_sign_in_and_says_the_version(settings: Settings) -> None:
    response = Client().get("/health/")
    assert response.status_code == 200
    assert response.json() == {"database": "ok", "version": settings.VERSION}
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.django_db
def test_health_fails_when_the_database_does_not_answer() -> None:
    def gone(*_: object) -> None:
        raise OperationalError("could not connect to db.internal as cognito_admin")

    with connection.execute_wrapper(gone):
        response = Client().get("/health/")
    assert response.status_code == 503
    assert response.json()["database"] == "does not answer"
    assert "db.internal" not in response.content.decode()


@pytest.mark.django_db
def test_a_page_that_breaks_needs_no_database_and_shows_no_setting(settings: Settings) -> None:
    with connection.execute_wrapper(_forbidden):
        response = errors.server_error(RequestFactory().get("/backups/"))
    page = response.content.decode()
    assert response.status_code == 500
    assert "Running jobs go on" in page
    for secret in (settings.SECRET_KEY, settings.SEAL_KEY, settings.BACKUP_BUCKET):
        assert secret not in page


@pytest.mark.django_db
def test_an_address_that_is_none_is_a_calm_page_for_a_stranger_too() -> None:
    response = Client().get("/no/such/page/")
    assert response.status_code == 404
    assert b"There is nothing at this address" in response.content


@pytest.mark.django_db
def test_a_form_without_its_token_says_that_nothing_was_done() -> None:
    response = Client(enforce_csrf_checks=True).post("/sign-out/")
    assert response.status_code == 403
    assert b"Nothing was done" in response.content


def test_only_our_own_sentence_is_shown_on_a_refusal() -> None:
    request = RequestFactory().get("/")
    request.session = SessionBase()
    request.resolver_match = None
    assert b"secret detail" not in errors.forbidden(request, ValueError("secret detail")).content


def _forbidden(*_: object) -> None:
    raise AssertionError("the database was asked")

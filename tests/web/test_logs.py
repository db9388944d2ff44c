"""What a log line says of an exception: its type and its frames, never the values in its message."""

from __future__ import annotations

import io
import logging
import logging.config
from collections.abc import Iterator

import pytest
import structlog
from django.conf import settings

SECRET = "ada@uni.example"


class Refused(Exception):
    pass


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the product's own handler writes at DEBUG."""
    written, root = io.StringIO(), logging.getLogger()
    formatter = logging.config.DictConfigurator(settings.LOGGING).configure_formatter(
        dict(settings.LOGGING["formatters"]["line"])
    )
    handler, level = logging.StreamHandler(written), root.level
    handler.setFormatter(formatter)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def fails() -> None:
    try:
        raise ValueError(f"Key (email)=({SECRET}) exists, Zoë Müller")
    except ValueError as error:
        raise Refused("Zoë Müller is there") from error


@pytest.mark.parametrize("name", ["django.request", "backups.runner", "celery.app.trace", "uvicorn.error"])
def test_an_exception_is_told_by_type_and_frames(lines: io.StringIO, name: str) -> None:
    try:
        fails()
    except Refused as error:
        logging.getLogger(name).log(
            logging.DEBUG if name == "backups.runner" else 40, "x: %r", error, exc_info=True
        )
    said = lines.getvalue()
    assert "Refused from ValueError" in said
    assert f"{__file__}:" in said
    assert " fails" in said
    assert SECRET not in said
    assert "Zoë" not in said


def test_structlogs_own_lines_are_told_so_too(lines: io.StringIO) -> None:
    try:
        fails()
    except Refused:
        structlog.get_logger("backups").exception("job ended", who=SECRET)
    said = lines.getvalue()
    assert "job ended" in said
    assert " fails" in said
    assert SECRET not in said
    assert "Zoë" not in said


@pytest.mark.parametrize("name", ["uvicorn.access", "django.server"])
def test_what_was_searched_for_is_in_no_access_log(lines: io.StringIO, name: str) -> None:
    logging.getLogger(name).error('"GET /jobs/1/?q=ada%40uni.example HTTP/1.1" 200')
    assert "ada" not in lines.getvalue()

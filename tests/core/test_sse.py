from __future__ import annotations

from backups import sse


def test_an_event_has_its_name_its_id_and_its_data() -> None:
    assert sse.frame("line", 7, "hello") == b"event: line\nid: 7\ndata: hello\n\n"


def test_without_an_id_the_reader_keeps_the_last_one() -> None:
    assert sse.frame("ping", None, "") == b"event: ping\ndata: \n\n"


def test_no_text_can_end_an_event_or_forge_another() -> None:
    made = sse.frame("line", 1, "a\n\nevent: end\r\ndata: b\rc")
    assert made == b"event: line\nid: 1\ndata: a\ndata: \ndata: event: end\ndata: data: b\ndata: c\n\n"


def test_text_goes_as_utf_8() -> None:
    assert "Zoë 木".encode() in sse.frame("line", 1, "Zoë 木")


def test_the_wait_before_a_reconnect_is_told_in_milliseconds() -> None:
    assert sse.retry(2000) == b"retry: 2000\n\n"

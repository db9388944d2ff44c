"""E-mails inside any text. ``snapshot.mask`` knows one that stands alone."""

from __future__ import annotations

import re
from bisect import bisect_left

from backups.core.snapshot import mask

_BETWEEN = frozenset('"<>(),;:')  # what an address ends at, as at a space
_MARKS = re.compile(r'\\+"?|["()]')


def discreet(text: str) -> str:
    """The text with every e-mail masked.

    From the last "@" to the first, each with all that may stand before it: apostrophes, "words in
    quotes", comments (in brackets). Sooner too much than too little. No part is read again and again,
    however long the text.
    """
    at = text.rfind("@")
    if at < 0:
        return text
    marks, pieces, end = _Marks(text), list[str](), len(text)
    while at >= 0:
        begin = marks.begin(at)
        name = text[begin:at].lstrip("'\"\\")  # a quote before it is the sentence's, or says nothing
        if name and text[at + 1 : at + 2].strip():
            pieces += [text[at + 1 : end], mask(f"{name}@")]
            end = at - len(name)
        at = text.rfind("@", 0, begin)
    return "".join([text[:end], *reversed(pieces)])


class _Marks:
    """Quotes and brackets of a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._quotes: list[int] = []
        self._escapes: list[int] = []  # backslashes before each quote: JSON inside of JSON has more
        self._comments: dict[int, int] = {}  # where one ends -> where it begins
        opened: list[int] = []
        for found in _MARKS.finditer(text):
            last, place = found[0][-1], found.end() - 1
            if last == '"':
                self._quotes.append(place)
                self._escapes.append(len(found[0]) - 1)
            elif last == "(":
                opened.append(place)
            elif last == ")" and opened:
                self._comments[place] = opened.pop()

    def begin(self, at: int) -> int:
        """Where the name begins that ends before ``at``."""
        text, begin = self._text, at
        while begin:
            last = text[begin - 1]
            if last == ")" and begin - 1 in self._comments:
                begin = self._comments[begin - 1]
            elif last == '"' and text[begin] in "@.(":
                begin = self._opened(begin - 1)
            elif last.isspace() or last in _BETWEEN:
                break
            else:
                begin -= 1
        return begin

    def _opened(self, closing: int) -> int:
        """Where the words in quotes begin that end here; only the quote where it does not end any."""
        number = bisect_left(self._quotes, closing)
        escapes = self._escapes[number]
        for earlier in range(number - 1, -1, -1):
            if self._escapes[earlier] <= escapes:
                begin = self._quotes[earlier] - self._escapes[earlier]
                return closing if begin and self._text[begin - 1].isalnum() else begin
        return closing

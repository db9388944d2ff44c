"""E-mails inside any text. ``snapshot.mask`` knows one that stands alone."""

from __future__ import annotations

import re

from backups.core.snapshot import mask

# Begun only where a word begins, or a long text without an "@" is read again from each of its letters.
_ADDRESS = re.compile(r"(?<![^\s\"'<>(),;:@])[^\s\"'<>(),;:@]+@[^\s\"'<>(),;:@]+")


def discreet(text: str) -> str:
    """The text with every e-mail masked."""
    return _ADDRESS.sub(lambda found: mask(found[0]), text)

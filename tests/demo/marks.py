"""What decides whether something that was made before may be used again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.servers import ROOT

HERE = Path(__file__).parent


def sources(cognito: str) -> list[Path]:
    """What decides what a filled cloud holds, and in which form it is kept."""
    files = [HERE / "people.py", HERE / "worlds.py", ROOT / "requirements" / "ministack.txt"]
    strict = sorted((HERE.parent / "standin").glob("**/*.py")) if cognito == "standin" else []
    return [*files, *(path for path in strict if not path.name.startswith(("test_", "conftest")))]


def digest(*paths: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()

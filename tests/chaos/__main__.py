"""``make chaos``: every case at the product's own pace: 2,000 users, default quotas, a lease of 30 s.

Half an hour; DATABASE_URL chooses the database as in the tests. Ends with a table of what was disturbed,
how long it took in all, and after how many seconds somebody else went on.
"""

from __future__ import annotations

import os
import sys

import pytest


def main() -> int:
    """Arguments are pytest's: ``-k redis`` for some of the cases."""
    os.environ["CHAOS_SCALE"] = "full"
    return int(pytest.main(["tests/chaos", *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())

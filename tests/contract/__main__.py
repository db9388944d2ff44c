"""``python -m tests.contract [pytest's arguments]``: the suite against AWS (real.py)."""

from __future__ import annotations

import sys

from tests.contract import real

sys.exit(real.main())

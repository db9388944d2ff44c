"""How large and how patient: one size for every day, and the product's own as it is delivered."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    users: int
    lease: int  # LEASE_SECONDS
    sweep: float  # SWEEP_SECONDS
    share: float  # QUOTA_SHARE: 50 creates a second are 1
    quota: float  # the stand-in's quotas, in default ones, but for creates
    noise: float = 4.0  # seconds that a machine of our own takes to pass a message on and to begin

    @property
    def takeover(self) -> float:
        """Seconds from a death until somebody else has the job, at most: one lease and two sweeps.

        And what the machine takes: each process waits as long as others are at work on its core.
        """
        return self.lease + 2 * self.sweep + self.noise * _crowd()

    @property
    def undisturbed(self) -> float:
        """Seconds that a restore takes, at most, when nothing happens to it."""
        return (3 * self.users / (50 * self.share) + 15) * _crowd()

    @property
    def settings(self) -> dict[str, str]:
        return {
            "LEASE_SECONDS": str(self.lease),
            "SWEEP_SECONDS": str(self.sweep),
            "QUOTA_SHARE": str(self.share),
        }


def _crowd() -> float:
    """How crowded the machine was in the last minute; 1 up to two processes a core, which are our own."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1) / 2)


QUICK = Scale(users=500, lease=3, sweep=1, share=1.0, quota=4)
FULL = Scale(users=2000, lease=30, sweep=10, share=0.8, quota=1)


def chosen() -> Scale:
    """What CHAOS_SCALE says, "full" or nothing."""
    return FULL if os.environ.get("CHAOS_SCALE") == "full" else QUICK

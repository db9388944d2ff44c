"""Which functions of the application run, for which way of getting in again."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from backups.core.preflight.check import INVITE, LATER, SILENT, Check, passes, warn

OF_NEW = frozenset({"PreSignUp", "PostConfirmation", "CustomMessage", "CustomEmailSender", "UserMigration"})
"""Which concern whoever is created: how, and how they get in again."""


def of_triggers(triggers: Collection[str], create: int) -> list[Check]:
    """``triggers`` as LambdaConfig names them; ``create``: how many users are to be created."""
    if not triggers:
        return [passes("triggers", "This pool has no triggers: no function of the application runs.")]
    told = sorted(name for name in triggers if create or name not in OF_NEW)
    return [check for name in told for check in _trigger(name)]


def _trigger(name: str) -> Iterator[Check]:
    code = f"trigger-{name}"
    if name == "PreSignUp":
        yield warn(
            code,
            "PreSignUp runs for every user who is created (PreSignUp_AdminCreateUser), and may veto.",
            "Make sure that it lets people in whom it has never seen, and answers within 5 seconds.",
        )
    elif name == "PostConfirmation":
        yield warn(
            code,
            "PostConfirmation does not run after an invitation. An application that grants access there "
            "grants none to people who come back so, and what it granted before hangs on the old sub.",
            "Apply the identity map in the application's tables.",
            INVITE,
            LATER,
        )
        yield warn(
            code,
            "PostConfirmation runs when somebody has used “forgot password”, once for each person and with "
            "the new sub. An application that grants access there does so then, as to somebody new.",
            "Apply the identity map before people come back, so that they do not start with nothing.",
            SILENT,
        )
    elif name in ("CustomMessage", "CustomEmailSender"):
        does = "writes" if name == "CustomMessage" else "sends"
        yield warn(
            code,
            f"{name} {does} each invitation ({name}_AdminCreateUser): where it fails, none goes out.",
            "Try it with a few users first.",
            INVITE,
            LATER,
        )
        yield warn(
            code,
            f"{name} {does} each code of “forgot password” ({name}_ForgotPassword).",
            "Try it with a few users first.",
            SILENT,
        )
    elif name == "CustomSMSSender":
        yield passes(code, "CustomSMSSender runs for SMS alone, and a restore sends none.")
    elif name == "UserMigration":
        yield warn(
            code,
            "UserMigration makes users by itself when people whom the pool does not know sign in or reset "
            "their password: somebody may exist before the restore gets there.",
            "Such users are skipped, and stand in the identity map with the identity they have.",
        )
    else:
        yield passes(code, f"{name} does not run while users are restored; it runs at sign-in as ever.")

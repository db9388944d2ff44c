"""A pool's Lambda triggers [T]: no code of anybody's runs, but that it would have run is noted."""

from __future__ import annotations

from tests.standin.errors import Refused
from tests.standin.state import Call, Pool


def fire(call: Call, pool: Pool, user_sub: str, trigger: str, source: str) -> None:
    """``trigger`` is the name in LambdaConfig, ``source`` the triggerSource that the function would see."""
    if pool.trigger(trigger):
        call.state.books.triggers.append((call.now, source, pool.id, user_sub))


def presignup(call: Call, pool: Pool, username: str, source: str) -> None:
    """Ask the pool's PreSignUp function, if it has one, before the user is made: noted by ``username``.

    Raises UserLambdaValidationException for the names that ``Knobs.vetoes`` says it refuses.
    """
    fire(call, pool, username, "PreSignUp", source)
    if pool.trigger("PreSignUp") and any(part in username for part in call.state.knobs.vetoes):
        raise Refused(
            "UserLambdaValidationException", f"PreSignUp failed with error {username} may not sign up."
        )

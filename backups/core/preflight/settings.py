"""The pool's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backups.core.preflight.check import SILENT, Check, Unasked, count, not_asked, passes, stop, warn
from backups.core.preflight.people import People


def of_password(pool: Mapping[str, Any] | Unasked, password: str) -> Check:
    """``password``: one of those that a silent restore sets."""
    if isinstance(pool, Unasked):
        return not_asked("password", "The pool's password policy", pool, SILENT)
    policy = pool.get("Policies", {}).get("PasswordPolicy", {})
    lacks = [
        words
        for name, words, fits in (
            ("RequireUppercase", "a capital", str.isupper),
            ("RequireLowercase", "a small letter", str.islower),
            ("RequireNumbers", "a digit", str.isdigit),
            ("RequireSymbols", "a symbol", lambda letter: not letter.isalnum()),
        )
        if policy.get(name) and not any(map(fits, password))
    ]
    least = int(policy.get("MinimumLength") or 0)
    if len(password) < least:
        lacks.append(f"{least} characters")
    if lacks:
        return stop(
            "password",
            f"The random passwords of a silent restore lack {' and '.join(lacks)}, which the policy wants.",
            "Choose another way, or relax the policy until everybody is back.",
            SILENT,
        )
    return passes("password", "The random passwords of a silent restore fit the pool's policy.", SILENT)


def of_recovery(pool: Mapping[str, Any] | Unasked, create: int) -> Check:
    """Whether people can ask for a new password themselves, on which a silent restore rests.

    ``create``: how many users are to be created. A pool without the setting mails the code (verified_email).
    """
    if isinstance(pool, Unasked):
        return not_asked("recovery", "Whether people can ask for a new password", pool, SILENT)
    told = (pool.get("AccountRecoverySetting") or {}).get("RecoveryMechanisms") or []
    ways = [one["Name"] for one in sorted(told, key=lambda one: int(one.get("Priority", 0)))]
    if ways == ["admin_only"]:
        return stop(
            "recovery",
            "This pool lets nobody ask for a new password (AccountRecoverySetting: admin_only), so after a "
            f"silent restore {count(create)} could not get in by any mail.",
            "Invite people, now or later; or let the pool recover accounts by verified_email first.",
            SILENT,
        )
    if ways[:1] == ["verified_phone_number"]:
        return warn(
            "recovery",
            "This pool sends the code for a new password by SMS to whoever has a verified phone number: the "
            "mails and the date told for a silent restore count everybody as asking by e-mail.",
            "Look at the pool's SMS settings, and at what the account may spend on SMS.",
            SILENT,
        )
    return passes("recovery", "People can ask for a new password by e-mail in this pool.", SILENT)


def of_factors(mfa: Mapping[str, Any] | Unasked, people: People | None, lost: int = 0) -> Check:
    """``lost``: of those created, who had a second factor and come back without one."""
    if isinstance(mfa, Unasked):
        return not_asked("mfa", "How the pool asks for a second factor", mfa)
    required = mfa.get("MfaConfiguration") == "ON"
    token = bool((mfa.get("SoftwareTokenMfaConfiguration") or {}).get("Enabled"))
    mail, text = "EmailMfaConfiguration" in mfa, "SmsMfaConfiguration" in mfa
    gone = "Authenticator apps and passkeys do not come back: whoever had one sets it up again."
    if lost:
        gone += f" {count(lost)} {'comes' if lost == 1 else 'come'} back without the one of before."
    if not required:
        if mfa.get("MfaConfiguration") == "OPTIONAL":
            return warn("mfa", f"A second factor is optional here. {gone}", "Tell people to expect it.")
        return passes("mfa", "This pool asks for no second factor.")
    if token:
        return warn(
            "mfa",
            f"This pool requires a second factor. {gone}",
            "Everybody is asked to set up an authenticator app at the first sign-in.",
        )
    if text and not mail:
        who = (
            "Whoever has no phone number"
            if people is None
            else f"{count(people.without_phone)} of the backup without a phone number"
        )
        if people is not None and not people.without_phone:
            return passes(
                "mfa", "This pool requires a second factor by SMS, and everybody has a phone number."
            )
        return warn(
            "mfa",
            f"This pool requires a second factor, by SMS alone. {who} cannot sign in.",
            "Let the pool accept an authenticator app too, before people come back.",
        )
    if mail:
        return warn(
            "mfa",
            "This pool requires a second factor, by e-mail: each sign-in costs one more mail.",
            "Count these mails in; they are not in the dates here.",
        )
    return warn(
        "mfa",
        "This pool requires a second factor and has none switched on: nobody could sign in.",
        "Switch one on before people come back.",
    )


def of_messages(pool: Mapping[str, Any] | Unasked) -> list[Check]:
    """SMS and e-mail, as DescribeUserPool itself complains of them."""
    if isinstance(pool, Unasked):
        return [not_asked("sms", "The pool's role for SMS", pool)]
    found = []
    sms = pool.get("SmsConfiguration") or {}
    role = str(sms.get("SnsCallerArn", "")) or ("AWS End User Messaging" if sms else "")
    if failed := str(pool.get("SmsConfigurationFailure", "")):
        found.append(
            warn("sms", f"Cognito cannot send SMS from this pool: {failed}.", "Mend its SMS settings.")
        )
    elif role:
        found.append(passes("sms", f"SMS go out through {role}; a restore sends none."))
    else:
        found.append(passes("sms", "This pool sends no SMS, and a restore needs none."))
    if failed := str(pool.get("EmailConfigurationFailure", "")):
        found.append(
            warn(
                "mail-failure",
                f"Cognito cannot send e-mail from this pool: {failed}.",
                "Mend its e-mail settings.",
            )
        )
    return found


def of_protection(pool: Mapping[str, Any] | Unasked) -> Check:
    if isinstance(pool, Unasked):
        return not_asked("protection", "Whether the pool is protected from deletion", pool)
    if pool.get("DeletionProtection") == "ACTIVE":
        return passes("protection", "The pool is protected from deletion.")
    return warn(
        "protection",
        "The pool is not protected from deletion: one call deletes it with everybody in it.",
        "Switch deletion protection on before the first user is back.",
    )


def of_replica(role: str | Unasked, region: str) -> Check:
    """``role``: PRIMARY, SECONDARY, or "" for a pool without replicas."""
    if isinstance(role, Unasked):
        return not_asked("replica", "Whether this is the primary copy of the pool", role)
    if role == "SECONDARY":
        return stop(
            "replica",
            f"In {region} this pool is a secondary replica: no user can be created in it.",
            "Restore into the primary's Region, or make this one the primary first.",
        )
    if role:
        return warn(
            "replica",
            "This pool is replicated to another Region: what a restore writes is written there too.",
            "That is as it should be; a replica is no backup.",
        )
    return passes("replica", "This pool has no replica in another Region.")

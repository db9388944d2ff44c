"""Users, as an administrator makes, reads, changes and removes them."""

from __future__ import annotations

import re
from uuid import UUID

from tests.standin import attributes as rules
from tests.standin import mail, policy, triggers
from tests.standin.errors import Refused, invalid, no_user
from tests.standin.operations import Answer, Asked, operation
from tests.standin.state import Call, Pool
from tests.standin.users import User

PHONE = re.compile(r"\+[0-9]+")


@operation("AdminCreateUser", active=True)
def admin_create_user(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    silent = asked.get("MessageAction") == "SUPPRESS"
    mediums = asked.get("DesiredDeliveryMediums") or ["SMS"]  # the default is SMS [M]
    if asked.get("MessageAction") == "RESEND":
        return {"User": _invited_again(call, pool, asked, mediums)}
    attributes = rules.named(asked.get("UserAttributes"))
    if asked.get("TemporaryPassword"):
        policy.check_password(pool, asked["TemporaryPassword"])
    user = new_user(call, pool, asked["Username"], attributes, creating_for="AdminCreateUser")
    medium = "" if silent else mail.medium_for(pool, user.attributes, mediums)
    robbed = _owners_of_aliases(pool, user, force=bool(asked.get("ForceAliasCreation")))
    triggers.presignup(call, pool, asked["Username"], "PreSignUp_AdminCreateUser")
    for owner, kind in robbed:
        call.change(pool, owner, attributes={**owner.attributes, f"{kind}_verified": "false"})
    user.password = asked.get("TemporaryPassword") or policy.temporary_password(call, pool)
    user.temporary_until = policy.temporary_until(call, pool)
    call.trace["sub"] = user.sub
    pool.users.add(user, lag_from=call.lag_from)
    if medium:
        triggers.fire(call, pool, user.sub, "CustomMessage", "CustomMessage_AdminCreateUser")
        try:
            mail.send(call, pool, user, medium, "AdminCreateUser", user.password)
        except Refused as refused:
            # CodeDeliveryFailure leaves the user [X]; of the day's limit AWS does not say
            if refused.code == "LimitExceededException" and not call.state.knobs.left_behind:
                pool.users.remove(user)
                del call.trace["sub"]  # nobody is there, and nobody is billed
            raise
    return {"User": user.described("Attributes")}


def _invited_again(call: Call, pool: Pool, asked: Asked, mediums: list[str]) -> dict[str, object]:
    """RESEND: another temporary password, and its clock begins again [M]."""
    _check_username(pool, asked["Username"])
    user = call.user(pool, asked["Username"])
    if user.status != "FORCE_CHANGE_PASSWORD":
        raise Refused(
            "UnsupportedUserStateException", f"User is already confirmed or cannot be resent: {user.status}."
        )
    medium = mail.medium_for(pool, user.attributes, mediums)
    password = asked.get("TemporaryPassword") or policy.temporary_password(call, pool)
    policy.check_password(pool, password)
    mail.send(call, pool, user, medium, "RESEND", password)
    user.password = password
    user.temporary_until = policy.temporary_until(call, pool)
    call.change(pool, user)
    return user.described("Attributes")


def new_user(call: Call, pool: Pool, username: str, attributes: dict[str, str], *, creating_for: str) -> User:
    """Not in the pool yet. Raises what AWS says of the name and of the attributes; SignUp's as well."""
    _check_username(pool, username)
    if pool.email_is_username:
        kind = "phone_number" if PHONE.fullmatch(username) else "email"
        if attributes.get(kind, username) != username:
            raise invalid(
                f"User {kind} should be empty or same as username, since username attribute is {kind}."
            )
        attributes = {**attributes, kind: username}
    names = [attributes[kind] for kind in pool.users.usernames if attributes.get(kind)]
    if any(pool.users.taken(name) for name in [username, *names]):
        raise Refused("UsernameExistsException", "User account already exists")
    rules.check(pool, attributes, creating=True)
    rules.check_verified(attributes)
    held = {name: value for name, value in attributes.items() if value}
    sub = str(UUID(int=call.state.dice.getrandbits(128), version=4))
    user = User(sub, sub if pool.email_is_username else username, call.now, attributes=held)
    if creating_for == "SignUp":
        user.status = "UNCONFIRMED"
    return user


def _check_username(pool: Pool, username: str) -> None:
    wanted = pool.settings.get("UsernameAttributes") or []
    if wanted:
        looks = {"email": rules.EMAIL, "phone_number": rules.PHONE}
        if not any(looks[kind].fullmatch(username) for kind in wanted):
            raise invalid(
                "Username should be an email."
                if wanted == ["email"]
                else "Username should be either an email or a phone number."
            )
        return
    aliases = pool.settings.get("AliasAttributes") or []
    if "email" in aliases and rules.EMAIL.fullmatch(username):
        raise invalid("Username cannot be of email format, since user pool is configured for email alias.")
    if "phone_number" in aliases and rules.PHONE.fullmatch(username):
        raise invalid(
            "Username cannot be of phone number format, since user pool is configured for phone number alias."
        )


def _owners_of_aliases(pool: Pool, user: User, *, force: bool) -> list[tuple[User, str]]:
    """Who has the verified addresses that ``user`` brings, and which: one user has an address, and by
    force the other one's becomes unverified [M]. Raises AliasExistsException."""
    robbed = []
    for kind in pool.users.aliases & {"email", "phone_number"}:
        value = user.attributes.get(kind)
        if not value or user.attributes.get(f"{kind}_verified") != "true":
            continue
        owner = pool.users.owner(kind, value)
        if owner is None or owner is user:
            continue
        if not force:
            raise Refused("AliasExistsException", f"An account with the {kind} already exists.")
        robbed.append((owner, kind))
    name = user.attributes.get("preferred_username")
    if name and "preferred_username" in pool.users.aliases:
        holder = pool.users.owner("preferred_username", name)
        if holder is not None and holder is not user:
            raise Refused("AliasExistsException", "An account with the preferred_username already exists.")
    return robbed


@operation("AdminGetUser", active=True)
def admin_get_user(call: Call, asked: Asked) -> Answer:
    """Never late, and bills the user as active this month [M]."""
    pool = call.pool(asked["UserPoolId"])
    user = call.user(pool, asked["Username"])
    answer = user.described("UserAttributes")
    if user.mfa:
        answer["UserMFASettingList"] = list(user.mfa)
    if user.preferred_mfa:
        answer["PreferredMfaSetting"] = user.preferred_mfa
    return answer


@operation("AdminUpdateUserAttributes", active=True)
def admin_update_user_attributes(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    user = call.user(pool, asked["Username"])
    update(call, pool, user, rules.named(asked["UserAttributes"]))
    return {}


def update(call: Call, pool: Pool, user: User, given: dict[str, str]) -> list[dict[str, str]]:
    """Write attributes; an empty value removes one. A changed address is unverified unless said otherwise,
    and where the pool verifies it by itself a code is sent: CodeDeliveryDetails of each [M]."""
    rules.check(pool, given, creating=False)
    wanted = {**user.attributes, **given}
    to_verify = []
    for kind in ("email", "phone_number"):
        if given.get(kind) and given[kind] != user.attributes.get(kind):
            _check_free(pool, user, kind, given[kind])
            if given.get(f"{kind}_verified") != "true":
                wanted[f"{kind}_verified"] = "false"
                if kind in (pool.settings.get("AutoVerifiedAttributes") or []):
                    to_verify.append(kind)
    wanted = {name: value for name, value in wanted.items() if value}
    rules.check_verified(wanted)
    would_be = User(user.sub, user.username, user.created, attributes=wanted)
    owners = {kind: pool.users.owner(kind, wanted[kind]) for kind in pool.users.aliases if wanted.get(kind)}
    for kind, owner in owners.items():
        verified = kind == "preferred_username" or would_be.attributes.get(f"{kind}_verified") == "true"
        if owner is not None and owner.sub != user.sub and verified:
            raise Refused("AliasExistsException", f"An account with the {kind} already exists.")
    call.change(pool, user, attributes=wanted)
    return [mail.code_to(call, pool, user, "UpdateUserAttributes", kind) for kind in to_verify]


def _check_free(pool: Pool, user: User, kind: str, value: str) -> None:
    if pool.email_is_username and kind in pool.settings["UsernameAttributes"]:
        owner = pool.users.find(value)
        if owner is not None and owner.sub != user.sub:
            raise Refused("AliasExistsException", f"An account with the {kind} already exists.")


@operation("AdminDeleteUserAttributes", active=True)
def admin_delete_user_attributes(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    user = call.user(pool, asked["Username"])
    delete_attributes(call, pool, user, asked["UserAttributeNames"])
    return {}


def delete_attributes(call: Call, pool: Pool, user: User, names: list[str]) -> None:
    rules.check(pool, dict.fromkeys(names, ""), creating=False)
    required = {name for name in names if pool.schema[name].get("Required")}
    if required:
        raise invalid(f"Required attribute cannot be deleted: {', '.join(sorted(required))}")
    gone = set(names) | {f"{name}_verified" for name in names}
    kept = {name: value for name, value in user.attributes.items() if name not in gone}
    call.change(pool, user, attributes=kept)


@operation("AdminDisableUser", active=True)
def admin_disable_user(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    user = call.user(pool, asked["Username"])
    call.change(pool, user, enabled=False, revoked=call.now)
    return {}


@operation("AdminEnableUser", active=True)
def admin_enable_user(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    user = call.user(pool, asked["Username"])
    call.change(pool, user, enabled=True)
    return {}


@operation("AdminDeleteUser", active=True)
def admin_delete_user(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"], writes=True)
    user = call.user(pool, asked["Username"])
    delete(call, pool, user)
    return {}


def delete(call: Call, pool: Pool, user: User) -> None:
    """The memberships go with the user."""
    if pool.users.by_sub.get(user.sub) is not user:
        raise no_user()
    for name in user.groups or {}:
        pool.groups[name].remove(user.sub, lag_from=call.lag_from)
    pool.users.remove(user, lag_from=call.lag_from)

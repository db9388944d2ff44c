"""Messages: who may be sent one, what the day still allows, and what happens when it does not [Q, X].

COGNITO_DEFAULT sends 50 mails a day for the whole account; the day ends at 09:00 UTC. Invitations,
"forgot password", sign-up and resent codes all spend from it. SES (DEVELOPER) has no such limit here.
"""

from __future__ import annotations

from tests.standin.books import Message
from tests.standin.errors import Refused, invalid
from tests.standin.state import Call, Pool
from tests.standin.users import User

DAY = 86_400.0
RESET = 9 * 3_600.0  # 09:00 UTC
LIMIT_REACHED = (
    "Exceeded daily email limit for the operation or the account. If a higher limit is required, please "
    "configure your user pool to use your own Amazon SES configuration for sending email."
)


def mail_day(now: float) -> int:
    return int((now - RESET) // DAY)


def medium_for(pool: Pool, attributes: dict[str, str], mediums: list[str]) -> str:
    """Which of the wanted mediums can reach somebody. Raises InvalidParameterException as AWS words it."""
    if "EMAIL" in mediums:
        if not attributes.get("email"):  # also where SMS was wanted besides [X cbr#25]
            raise invalid("No email provided but desired delivery medium was Email")
        return "EMAIL"
    if not pool.settings.get("SmsConfiguration"):
        raise invalid("User pool does not have SMS configuration to send messages.")
    if not attributes.get("phone_number"):
        raise invalid("No phone number provided but desired delivery medium was SMS")
    return "SMS"


def send(call: Call, pool: Pool, user: User, medium: str, why: str, secret: str) -> None:
    """Raises LimitExceededException or CodeDeliveryFailureException; what was done before stays done."""
    knobs, books = call.state.knobs, call.state.books
    to = user.attributes["email" if medium == "EMAIL" else "phone_number"]
    message = Message(call.now, pool.id, user.sub, to, medium, why, secret)
    if any(part in to for part in knobs.undeliverable):
        raise Refused("CodeDeliveryFailureException", "The message could not be delivered.")
    if medium == "EMAIL" and not pool.own_mail:
        today = mail_day(call.now)
        if call.state.mails[today] >= knobs.daily_mails:
            if knobs.over_the_limit == "refuse":
                raise Refused("LimitExceededException", LIMIT_REACHED)
            message.sent = False
            books.messages.append(message)
            return
        call.state.mails[today] += 1
    books.messages.append(message)


def code_to(call: Call, pool: Pool, user: User, why: str, kind: str = "") -> dict[str, str]:
    """A code to a verified address (or to ``kind``, verified or not); CodeDeliveryDetails of it."""
    attributes = user.attributes
    if not kind:
        kind = next(
            (
                k
                for k in ("email", "phone_number")
                if attributes.get(f"{k}_verified") == "true" and attributes.get(k)
            ),
            "",
        )
    if not kind or not attributes.get(kind):
        raise invalid(
            "Cannot reset password for the user as there is no registered/verified email or phone_number"
        )
    medium = "EMAIL" if kind == "email" else "SMS"
    user.code = f"{call.state.dice.randrange(1_000_000):06d}"
    user.code_until = call.now + 3600
    send(call, pool, user, medium, why, user.code)
    shown = attributes[kind]
    masked = (
        f"{shown[:1]}***@{shown.partition('@')[2][:1]}***" if medium == "EMAIL" else f"+*******{shown[-4:]}"
    )
    return {"Destination": masked, "DeliveryMedium": medium, "AttributeName": kind}

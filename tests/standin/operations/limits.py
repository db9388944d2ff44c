"""What the account may ask for in a second, by category: read, and raised [M]."""

from __future__ import annotations

from tests.standin.errors import Refused, gone, invalid
from tests.standin.operations import Answer, Asked, operation
from tests.standin.quotas import ADJUSTABLE, DEFAULTS
from tests.standin.state import Call

CEILING = 10  # times the default: Service Quotas' maximum, which on AWS is each account's own


@operation("GetProvisionedLimit")
def get_provisioned_limit(call: Call, asked: Asked) -> Answer:
    return _limit(call, asked, _category(asked))


@operation("UpdateProvisionedLimit")
def update_provisioned_limit(call: Call, asked: Asked) -> Answer:
    category, wanted = _category(asked), asked["RequestedLimitValue"]
    if wanted < DEFAULTS[category]:
        raise invalid(f"The limit of {category} cannot be less than its default of {DEFAULTS[category]:.0f}.")
    if wanted > DEFAULTS[category] * CEILING:
        raise Refused(
            "ServiceQuotaExceededException", f"The limit of {category} is more than the account's quota."
        )
    call.region.quotas.set({category: float(wanted)}, {}, None)
    return _limit(call, asked, category)


def _category(asked: Asked) -> str:
    """Which AWS error an unknown category gets is not documented; only adjustable ones have a limit."""
    category = asked["LimitDefinition"]["Attributes"].get("Category")
    if not category:
        raise invalid("The attribute Category is required for the limit class API_CATEGORY.")
    if category not in ADJUSTABLE:
        raise gone(f"There is no provisioned limit for the category {category}.")
    return str(category)


def _limit(call: Call, asked: Asked, category: str) -> Answer:
    return {
        "Limit": {
            "LimitDefinition": asked["LimitDefinition"],
            "ProvisionedLimitValue": int(call.region.quotas.rates[category]),
            "FreeLimitValue": int(DEFAULTS[category]),
        }
    }

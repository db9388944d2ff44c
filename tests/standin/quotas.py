"""Calls a second by quota category: one bucket for all operations of a category, per Region [Q].

Shared with the application beside us (``neighbour``), as on AWS: what it takes is not there for us.
Real time, whatever the stand-in's clock says: a moved clock refills nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

DEFAULTS: dict[str, float] = {
    "UserAuthentication": 120,
    "UserCreation": 50,
    "UserFederation": 25,
    "UserAccountRecovery": 30,
    "UserRead": 120,
    "UserUpdate": 25,
    "UserToken": 120,
    "UserResourceRead": 50,
    "UserResourceUpdate": 25,
    "UserList": 30,
    "UserPoolRead": 15,
    "UserPoolUpdate": 15,
    "UserPoolResourceRead": 20,
    "UserPoolResourceUpdate": 15,
    "UserPoolClientRead": 15,
    "UserPoolClientUpdate": 15,
    "ClientAuthentication": 150,
    "IdentityPools": 5,
    "LimitManagement": 1,
}
ADJUSTABLE = frozenset(
    "UserAuthentication UserCreation UserFederation UserRead UserToken UserResourceRead".split()
)
PER_POOL = 5.0  # of each single operation of these categories, per user pool [Q]
PER_POOL_CATEGORIES = frozenset(
    "UserPoolResourceRead UserPoolResourceUpdate UserPoolClientRead UserPoolClientUpdate".split()
)

_OPERATIONS = {
    "UserAuthentication": """AdminInitiateAuth AdminRespondToAuthChallenge InitiateAuth
        RespondToAuthChallenge GetTokensFromRefreshToken""",
    "UserCreation": "AdminConfirmSignUp AdminCreateUser ConfirmSignUp SignUp",
    "UserAccountRecovery": """AdminResetUserPassword AdminSetUserPassword ChangePassword
        ConfirmForgotPassword ForgotPassword""",
    "UserRead": "AdminGetUser AdminGetUserAuthFactors GetUser GetUserAuthFactors",
    "UserUpdate": """AdminAddUserToGroup AdminDeleteSoftwareToken AdminDeleteUser AdminDeleteUserAttributes
        AdminDisableProviderForUser AdminDisableUser AdminEnableUser AdminLinkProviderForUser
        AdminRemoveUserFromGroup AdminRevokeUserSession AdminUpdateUserAttributes AdminUserGlobalSignOut
        DeleteUser DeleteUserAttributes GlobalSignOut RevokeUserSession UpdateUserAttributes
        VerifyUserAttribute ResendConfirmationCode GetUserAttributeVerificationCode""",
    "UserToken": "RevokeToken",
    "UserResourceRead": """AdminGetDevice AdminListDevices AdminListGroupsForUser AdminListUserAuthEvents
        AdminListUserSessions GetDevice ListDevices ListUserSessions ListWebAuthnCredentials""",
    "UserResourceUpdate": """AdminForgetDevice AdminSetUserMFAPreference AdminSetUserSettings
        AdminUpdateAuthEventFeedback AdminUpdateDeviceStatus AssociateSoftwareToken
        CompleteWebAuthnRegistration ConfirmDevice DeleteWebAuthnCredential ForgetDevice
        SetUserMFAPreference SetUserSettings StartWebAuthnRegistration UpdateAuthEventFeedback
        UpdateDeviceStatus VerifySoftwareToken""",
    "UserList": "ListUsers ListUsersInGroup",
    "UserPoolRead": "DescribeUserPool ListUserPools",
    "UserPoolUpdate": "CreateUserPool DeleteUserPool UpdateUserPool",
    "UserPoolClientRead": "DescribeUserPoolClient ListUserPoolClients ListUserPoolClientSecrets",
    "UserPoolClientUpdate": """AddUserPoolClientSecret CreateUserPoolClient DeleteUserPoolClient
        DeleteUserPoolClientSecret UpdateUserPoolClient""",
    "IdentityPools": """CreateIdentityPool DescribeIdentityPool GetIdentityPoolRoles ListIdentityPools
        SetIdentityPoolRoles""",
    "LimitManagement": "GetProvisionedLimit UpdateProvisionedLimit",
}
CATEGORY = {name: category for category, names in _OPERATIONS.items() for name in names.split()}
WEIGHT = {"RespondToAuthChallenge": 1 / 3, "AdminRespondToAuthChallenge": 1 / 3}  # three times the rate [Q]


def category(operation: str) -> str:
    """Everything else is about what hangs on a pool: read or written."""
    if operation in CATEGORY:
        return CATEGORY[operation]
    reads = operation.startswith(("Get", "List", "Describe"))
    return "UserPoolResourceRead" if reads else "UserPoolResourceUpdate"


@dataclass
class Bucket:
    """At most a second's worth at once, then ``rate`` a second."""

    rate: float
    neighbour: float = 0.0  # calls a second that the application beside us takes
    tokens: float = -1.0
    at: float = field(default_factory=time.monotonic)

    def take(self, weight: float = 1.0) -> bool:
        """Whether there is so much; then it is taken."""
        if not self.holds(weight):
            return False
        self.tokens -= weight
        return True

    def holds(self, weight: float = 1.0) -> bool:
        now = time.monotonic()
        rate = max(0.0, self.rate - self.neighbour)
        full = max(rate, 1.0) if self.rate else 0.0
        if self.tokens < 0:
            self.tokens = full  # never asked before
        self.tokens = min(full, self.tokens + max(0.0, now - self.at) * rate)
        self.at = now  # of another machine's clock where the state was kept
        return self.tokens >= weight


@dataclass
class Quotas:
    """Of one Region."""

    rates: dict[str, float] = field(default_factory=lambda: dict(DEFAULTS))
    per_pool: float = PER_POOL
    neighbour: dict[str, float] = field(default_factory=dict)
    buckets: dict[tuple[str, ...], Bucket] = field(default_factory=dict)

    def take(self, operation: str, pool_id: str) -> bool:
        """Whether the call may be made. A call that was refused costs nothing."""
        name = category(operation)
        weight = WEIGHT.get(operation, 1.0)
        shared = self._bucket((name,), self.rates[name], self.neighbour.get(name, 0))
        if name not in PER_POOL_CATEGORIES:
            return shared.take(weight)
        return (
            shared.holds(weight)
            and self._bucket((operation, pool_id), self.per_pool, 0).take()
            and shared.take(weight)
        )

    def set(self, rates: dict[str, float], neighbour: dict[str, float], per_pool: float | None) -> None:
        unknown = (rates.keys() | neighbour.keys()) - DEFAULTS.keys()
        if unknown:
            raise ValueError(f"no such quota category: {', '.join(sorted(unknown))}")
        self.rates.update(rates)
        self.neighbour.update(neighbour)
        self.per_pool = self.per_pool if per_pool is None else per_pool
        self.buckets.clear()

    def _bucket(self, key: tuple[str, ...], rate: float, neighbour: float) -> Bucket:
        if key not in self.buckets:
            self.buckets[key] = Bucket(rate, neighbour)
        return self.buckets[key]

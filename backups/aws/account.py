"""What our account allows and sends, and a pool's settings as a whole: the port ``Account``.

Cognito's own questions go through the pace; IAM and SES have quotas of their own, and are asked once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from botocore.parsers import ResponseParserError

from backups.aws import session
from backups.aws.calling import Cognito, plain
from backups.aws.errors import asking
from backups.core.mail import Sender, Ses
from backups.engine.ports import Allowance, CallThrough, Cause, PortError, direct

PAGE = 1000  # identities a page: SES's limit
AT_ONCE = 50  # actions of one simulation
POOL_UPDATE = "add_attributes"  # the pace's name of a call of the category UserPoolUpdate


class AwsAccount:
    """One Region of the account of our own credentials."""

    def __init__(self, region: str, call: CallThrough = direct) -> None:
        self.region = region
        self._cognito = Cognito("cognito-idp", region, call)

    # IAM

    def allowed(self, actions: Sequence[str], resource: str, principal: str = "") -> Allowance:
        iam = session.client("iam", self.region)
        principal = principal or self._ourselves()
        doing = f"ask IAM what {principal.rpartition(':')[2]} may do"
        decided: dict[str, str] = {}
        for at in range(0, len(actions), AT_ONCE):
            parameters: dict[str, Any] = {
                "PolicySourceArn": principal,
                "ActionNames": list(actions[at : at + AT_ONCE]),
                "ResourceArns": [resource],
                "ContextEntries": [
                    {
                        "ContextKeyName": "iam:PassedToService",  # what a policy may allow PassRole for
                        "ContextKeyValues": ["cognito-idp.amazonaws.com"],
                        "ContextKeyType": "string",
                    }
                ],
            }
            while True:
                with asking(doing):
                    page = iam.simulate_principal_policy(**parameters)
                for one in page.get("EvaluationResults", []):
                    decided[one["EvalActionName"].lower()] = one["EvalDecision"]
                if not page.get("IsTruncated"):
                    break
                parameters["Marker"] = page["Marker"]
        if any(action.lower() not in decided for action in actions):
            raise PortError(f"Could not {doing}: not every action was answered for.", Cause.LOST)
        return Allowance(
            principal, frozenset(action for action in actions if decided[action.lower()] != "allowed")
        )

    def _ourselves(self) -> str:
        """The ARN whose policies speak for our credentials: of a role's session the role, with its path."""
        ours = session.whoami(self.region).arn
        _, partition, _, _, account, what = ours.split(":", 5)
        kind, _, name = what.partition("/")
        if kind == "user":
            return ours
        if kind == "assumed-role":
            role = name.partition("/")[0]
            with asking(f"look the role {role} up"):
                found = session.client("iam", self.region).get_role(RoleName=role)
            return str(found["Role"]["Arn"])
        who = f"arn:{partition}:iam::{account}:{kind}"
        raise PortError(
            f"IAM does not simulate what {who} may do: it is no user and no role.", Cause.UNSUPPORTED
        )

    # SES

    def ses(self) -> Ses:
        doing = f"ask SES what may be sent in {self.region}"
        with asking(doing):
            # Three calls of SES are not worth the types of another service.
            told = plain(cast(Any, session.client)("sesv2", self.region).get_account())
        quota = told.get("SendQuota")
        if not isinstance(quota, dict):
            raise PortError(f"Could not {doing}: the answer has no SendQuota.", Cause.LOST)
        most = float(quota.get("Max24HourSend", 0))
        return Ses(
            production=told.get("ProductionAccessEnabled") is True,
            sending=told.get("SendingEnabled") is True,
            quota=None if most < 0 else int(most),
            sent=int(quota.get("SentLast24Hours", 0)),
            senders=tuple(sorted(self._senders(), key=lambda one: one.name)),
        )

    def _senders(self) -> list[Sender]:
        """ListEmailIdentities, every page."""
        ours = session.whoami(self.region)
        base = f"arn:{ours.arn.split(':')[1]}:ses:{self.region}:{ours.account}:identity/"
        found: list[Sender] = []
        parameters: dict[str, Any] = {"PageSize": PAGE}
        while True:
            with asking(f"list the identities of SES in {self.region}"):
                page = cast(Any, session.client)("sesv2", self.region).list_email_identities(**parameters)
                if not isinstance(page.get("EmailIdentities"), list):
                    raise ResponseParserError("the answer has no EmailIdentities")
            for one in page["EmailIdentities"]:
                name = str(one["IdentityName"])
                verified = one.get("SendingEnabled") is True and one.get("VerificationStatus") in (
                    None,
                    "SUCCESS",
                )
                found.append(Sender(name, base + name, verified))
            if not page.get("NextToken"):
                return found
            parameters["NextToken"] = page["NextToken"]

    # the settings of a pool

    def describe(self, pool_id: str) -> dict[str, Any]:
        doing = f"describe the pool {pool_id}"
        answer = self._cognito.ask("facts", doing, "describe_user_pool", UserPoolId=pool_id)
        pool: dict[str, Any] = answer["UserPool"]
        return pool

    def mfa(self, pool_id: str) -> dict[str, Any]:
        doing = f"read how the pool {pool_id} asks for second factors"
        return self._cognito.ask("settings", doing, "get_user_pool_mfa_config", UserPoolId=pool_id)

    def role_of(self, pool_id: str) -> str:
        doing = f"list the replicas of the pool {pool_id}"
        pages = self._cognito.pages(
            "settings", doing, "list_user_pool_replicas", "UserPoolReplicas", UserPoolId=pool_id
        )
        roles = {str(one.get("RegionName", "")): str(one.get("Role", "")) for one in pages}
        return roles.get(self.region, "PRIMARY") if roles else ""  # the list need not hold the primary

    def update(self, pool_id: str, settings: Mapping[str, Any]) -> None:
        doing = f"write the settings of the pool {pool_id}"
        self._cognito.ask(POOL_UPDATE, doing, "update_user_pool", UserPoolId=pool_id, **settings)

    def add_attributes(self, pool_id: str, attributes: Sequence[Mapping[str, Any]]) -> None:
        doing = f"add attributes to the schema of the pool {pool_id}"
        given = [dict(attribute) for attribute in attributes]
        self._cognito.ask(
            POOL_UPDATE, doing, "add_custom_attributes", UserPoolId=pool_id, CustomAttributes=given
        )

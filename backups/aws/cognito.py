"""A user pool, through the Cognito API: the port ``UserPool``.

Every call goes through the pace that the pool was given, and is named for it
(the keys of ``engine.pace.CATEGORY``). Pages end at a missing token only: AWS
may give a short or empty page with more to come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.parsers import ResponseParserError

from backups.aws.calling import PAGE, Cognito
from backups.aws.errors import asking
from backups.aws.pool_settings import PoolSettings
from backups.aws.session import client
from backups.core.schema import lengths_of
from backups.core.snapshot import Entry, Group, PoolFacts
from backups.engine.ports import CallThrough, Cause, PortError, direct, heard, never

STANDARD_ATTRIBUTES = frozenset(
    # Every pool has them (OpenID Connect's, and sub); AWS lists them all, moto only those set at creation.
    """address birthdate email email_verified family_name gender given_name locale middle_name name
    nickname phone_number phone_number_verified picture preferred_username profile sub updated_at
    website zoneinfo""".split()  # noqa: SIM905
)


class CognitoPool:
    """One pool of one Region. Nothing is asked before the first method."""

    def __init__(self, region: str, pool_id: str, call: CallThrough = direct) -> None:
        self.region = region
        self.pool_id = pool_id
        self._through = call
        self._cognito = Cognito("cognito-idp", region, call)

    # reading

    def facts(self) -> PoolFacts:
        doing = f"describe the pool {self.pool_id}"
        answer = self._ask("facts", doing, "describe_user_pool", dated=True)
        pool = answer["UserPool"]
        schema = pool.get("SchemaAttributes", [])
        names = frozenset(str(attribute["Name"]) for attribute in schema)
        # sub counts as required on AWS, but nobody can give it
        required = frozenset(str(a["Name"]) for a in schema if a.get("Required")) - {"sub"}
        triggers = (
            name for name, value in pool.get("LambdaConfig", {}).items() if value and name != "KMSKeyID"
        )
        return PoolFacts(
            pool_id=self.pool_id,
            name=str(pool.get("Name", "")),
            region=self.region,
            account=str(pool.get("Arn", "")).partition(":userpool/")[0].rpartition(":")[2],
            username_attributes=tuple(pool.get("UsernameAttributes", ())),
            alias_attributes=tuple(pool.get("AliasAttributes", ())),
            case_sensitive=pool.get("UsernameConfiguration", {}).get("CaseSensitive", True) is not False,
            mail=str(pool.get("EmailConfiguration", {}).get("EmailSendingAccount") or "COGNITO_DEFAULT"),
            estimated_users=pool.get("EstimatedNumberOfUsers"),
            attributes=names | STANDARD_ATTRIBUTES,
            required=required,
            immutable=frozenset(str(a["Name"]) for a in schema if a.get("Mutable") is False),
            lengths=lengths_of(schema),
            password_length=int(pool.get("Policies", {}).get("PasswordPolicy", {}).get("MinimumLength", 8)),
            triggers=tuple(sorted(triggers)),
            created=str(pool.get("CreationDate", "")),
            tier=str(pool.get("UserPoolTier", "")),
            told=answer["Date"],
        )

    def users(self, prefix: str = "") -> Iterator[Entry]:
        doing = f"list the users of {self.pool_id}"
        only = f'sub ^= "{prefix}"' if prefix else None
        return self._pages(
            "users", doing, "list_users", "Users", marker="PaginationToken", Limit=PAGE, Filter=only
        )

    def groups(self, stopping: Callable[[], bool] = never) -> Iterator[Group]:
        cognito = Cognito("cognito-idp", self.region, heard(self._through, stopping))
        given: dict[str, Any] = {"UserPoolId": self.pool_id, "Limit": PAGE}
        doing = f"list the groups of {self.pool_id}"
        for group in cognito.pages("groups", doing, "list_groups", "Groups", **given):
            yield Group(
                name=str(group["GroupName"]),
                description=str(group.get("Description", "")),
                precedence=group.get("Precedence"),
                role_arn=str(group.get("RoleArn", "")),
            )

    def members(self, group: str, stopping: Callable[[], bool] = never) -> Iterator[str]:
        cognito = Cognito("cognito-idp", self.region, heard(self._through, stopping))
        given: dict[str, Any] = {"UserPoolId": self.pool_id, "GroupName": group, "Limit": PAGE}
        doing = f"list the members of the group {group} of {self.pool_id}"
        for member in cognito.pages("members", doing, "list_users_in_group", "Users", **given):
            yield str(member["Username"])

    def settings(self, stopping: Callable[[], bool] = never) -> Iterator[tuple[str, Any, str]]:
        return PoolSettings(self.region, self.pool_id, heard(self._through, stopping)).read()

    def get_user(self, username: str) -> Entry:
        answer = self._ask("get_user", f"read a user of {self.pool_id}", "admin_get_user", Username=username)
        answer["Attributes"] = answer.pop("UserAttributes", [])
        return answer

    def groups_of(self, username: str) -> frozenset[str]:
        doing = f"list the groups of a user of {self.pool_id}"
        pages = self._pages(
            "groups_of", doing, "admin_list_groups_for_user", "Groups", Limit=PAGE, Username=username
        )
        return frozenset(str(group["GroupName"]) for group in pages)

    # writing

    def create_user(self, username: str, attributes: Mapping[str, str], *, invite: bool = False) -> Entry:
        # Without a medium AWS means SMS; suppressed, none is needed.
        how: dict[str, Any] = (
            {"DesiredDeliveryMediums": ["EMAIL"]} if invite else {"MessageAction": "SUPPRESS"}
        )
        answer = self._ask(
            "create_user",
            f"create a user in {self.pool_id}",
            "admin_create_user",
            Username=username,
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
            **how,
        )
        user: Entry = answer["User"]
        return user

    def resend_invitation(self, username: str) -> None:
        # In an e-mail pool the e-mail: AdminCreateUser checks the name before it looks for the user.
        self._ask(
            "resend_invitation",
            f"invite a user of {self.pool_id}",
            "admin_create_user",
            Username=username,
            MessageAction="RESEND",
            DesiredDeliveryMediums=["EMAIL"],
        )

    def set_password(self, username: str, password: str) -> None:
        self._ask(
            "set_password",
            f"set the password of a user of {self.pool_id}",
            "admin_set_user_password",
            Username=username,
            Password=password,
            Permanent=True,
        )

    def disable_user(self, username: str) -> None:
        self._ask(
            "disable_user", f"disable a user of {self.pool_id}", "admin_disable_user", Username=username
        )

    def enable_user(self, username: str) -> None:
        self._ask("enable_user", f"enable a user of {self.pool_id}", "admin_enable_user", Username=username)

    def update_user(self, username: str, attributes: Mapping[str, str]) -> None:
        self._ask(
            "update_user",
            f"update a user of {self.pool_id}",
            "admin_update_user_attributes",
            Username=username,
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
        )

    def delete_user(self, username: str) -> None:
        self._ask("delete_user", f"delete a user of {self.pool_id}", "admin_delete_user", Username=username)

    def link_user(self, username: str, provider: str, subject: str) -> None:
        self._ask(
            "link_user",
            f"link a user of {self.pool_id} to {provider}",
            "admin_link_provider_for_user",
            DestinationUser={"ProviderName": "Cognito", "ProviderAttributeValue": username},
            SourceUser={
                "ProviderName": provider,
                "ProviderAttributeName": "Cognito_Subject",
                "ProviderAttributeValue": subject,
            },
        )

    def signed_in(self, username: str) -> bool | None:
        doing = f"read the sign-ins of a user of {self.pool_id}"
        events = self._pages(
            "signed_in",
            doing,
            "admin_list_user_auth_events",
            "AuthEvents",
            Username=username,
            MaxResults=PAGE,
        )
        try:
            return any(event.get("EventResponse") == "Pass" for event in events)
        except PortError as error:
            off = error.code == "UserPoolAddOnNotEnabledException"  # threat protection
            if off or error.cause in (Cause.REFUSED, Cause.UNSUPPORTED):
                return None
            raise

    def create_group(self, group: Group) -> None:
        self._ask(
            "create_group",
            f"create the group {group.name} in {self.pool_id}",
            "create_group",
            GroupName=group.name,
            Description=group.description or None,
            Precedence=group.precedence,
            RoleArn=group.role_arn or None,
        )

    def add_to_group(self, username: str, group: str) -> None:
        self._ask(
            "add_to_group",
            f"add a user of {self.pool_id} to the group {group}",
            "admin_add_user_to_group",
            Username=username,
            GroupName=group,
        )

    def remove_from_group(self, username: str, group: str) -> None:
        self._ask(
            "remove_from_group",
            f"take a user of {self.pool_id} out of the group {group}",
            "admin_remove_user_from_group",
            Username=username,
            GroupName=group,
        )

    # asking

    def _pages(
        self, operation: str, doing: str, api: str, listed: str, **parameters: Any
    ) -> Iterator[dict[str, Any]]:
        given = {"UserPoolId": self.pool_id, **parameters}
        return self._cognito.pages(operation, doing, api, listed, **given)

    def _ask(self, operation: str, doing: str, api: str, **parameters: Any) -> dict[str, Any]:
        """One call, at the pool's pace. A parameter that is None is not sent; the answer is JSON values."""
        return self._cognito.ask(operation, doing, api, **{"UserPoolId": self.pool_id, **parameters})


def list_pools(region: str, call: CallThrough = direct) -> Iterator[tuple[str, str]]:
    """(id, name) of every pool of a Region, every page."""
    parameters: dict[str, Any] = {"MaxResults": PAGE}

    def once() -> Any:
        with asking(f"list the user pools of {region}"):
            answer = client("cognito-idp", region).list_user_pools(**parameters)
            if not isinstance(answer.get("UserPools"), list):
                raise ResponseParserError("the answer has no UserPools")
            return answer

    while True:
        answer = call("facts", once)
        for pool in answer["UserPools"]:
            yield str(pool["Id"]), str(pool.get("Name", ""))
        if not answer.get("NextToken"):
            return
        parameters["NextToken"] = answer["NextToken"]

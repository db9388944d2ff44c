"""Domains of a pool: a prefix of Cognito's, or a name of one's own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.standin.errors import gone, invalid
from tests.standin.operations import Answer, Asked, operation
from tests.standin.operations.pools import not_in_lite
from tests.standin.state import Call, Pool

CUSTOM = "CustomDomainConfig"
RESERVED = ("aws", "amazon", "cognito")


@operation("CreateUserPoolDomain")
def create_user_pool_domain(call: Call, asked: Asked) -> Answer:
    """A prefix, or a whole name when it comes with a certificate; a pool has one of each at most."""
    pool, name = call.pool(asked["UserPoolId"], writes=True), asked["Domain"]
    custom = CUSTOM in asked
    reserved = [] if custom else [word for word in RESERVED if word in name]
    if reserved:
        raise invalid(f"Domain cannot contain reserved word: {reserved[0]}")
    domains = pool.config.setdefault("domains", {})
    if any((CUSTOM in domain) is custom for domain in domains.values()):
        raise invalid("The user pool already has a domain configured.")
    if name in call.region.domains:
        raise invalid("Domain already associated with another user pool.")
    described = {
        "UserPoolId": pool.id,
        "AWSAccountId": call.state.account,
        "Domain": name,
        "S3Bucket": f"aws-cognito-prod-{call.region.name}-assets",
        "CloudFrontDistribution": f"{call.state.letters(13).lower()}.cloudfront.net",
        "Version": datetime.fromtimestamp(call.now, UTC).strftime("%Y%m%d%H%M%S"),
        "Status": "ACTIVE",
    }
    _domain_settings(pool, described, asked)
    call.region.domains[name] = pool.id
    domains[name] = described
    return _domain_answer(described)


def _domain_settings(pool: Pool, described: dict[str, Any], asked: Asked) -> None:
    version = asked.get("ManagedLoginVersion") or described.get("ManagedLoginVersion", 1)
    if version > 1:
        not_in_lite(pool.settings, "Managed login")
    described |= {name: asked[name] for name in (CUSTOM, "Routing") if asked.get(name)}
    described["ManagedLoginVersion"] = version


def _domain_answer(described: dict[str, Any]) -> Answer:
    told = {name: described[name] for name in ("ManagedLoginVersion", "Routing") if name in described}
    return told | ({"CloudFrontDomain": described["CloudFrontDistribution"]} if CUSTOM in described else {})


def _domain(call: Call, asked: Asked) -> tuple[Pool, dict[str, Any]]:
    pool = call.pool(asked["UserPoolId"], writes=True)
    domain: dict[str, Any] | None = pool.config.get("domains", {}).get(asked["Domain"])
    if domain is None:
        raise gone("No such domain or user pool exists.")
    return pool, domain


@operation("DescribeUserPoolDomain")
def describe_user_pool_domain(call: Call, asked: Asked) -> Answer:
    """Empty when there is none. Asked of an address alone, so the pool is the Region's to find."""
    pool_id = call.region.domains.get(asked["Domain"])
    if pool_id is None:
        return {"DomainDescription": {}}
    return {"DomainDescription": call.pool(pool_id).config["domains"][asked["Domain"]]}


@operation("UpdateUserPoolDomain")
def update_user_pool_domain(call: Call, asked: Asked) -> Answer:
    pool, domain = _domain(call, asked)
    if CUSTOM in asked and CUSTOM not in domain:
        raise invalid("A prefix domain has no CustomDomainConfig.")
    _domain_settings(pool, domain, asked)
    return _domain_answer(domain)


@operation("DeleteUserPoolDomain")
def delete_user_pool_domain(call: Call, asked: Asked) -> Answer:
    pool, domain = _domain(call, asked)
    del call.region.domains[domain["Domain"]]
    del pool.config["domains"][domain["Domain"]]
    return {}

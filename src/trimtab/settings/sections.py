"""The sections of the file: which members each has, and what they become."""

import re
from collections.abc import Mapping
from datetime import date
from functools import partial

from trimtab.control.keyring import check_terms
from trimtab.cost.overrides import parse_overrides
from trimtab.domain.errors import InvalidRequest, SettingsInvalid
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.tenant import (
    ANY_TENANT,
    EVALS,
    NAME,
    RESERVED_PREFIX,
    ContentPolicy,
    Durability,
    JudgePolicy,
    Key,
    KeyRight,
    Limits,
    SearchPolicy,
    Tenant,
    Tier,
    WhenAway,
    WhenFull,
)
from trimtab.domain.yaml_tree import Faults, Items, Members, Node, Scalar, Wrong, anything
from trimtab.settings.alerts import read_alerts
from trimtab.settings.billing import read_plan, read_stripe, stripe_name
from trimtab.settings.budget import budget, budget_of, budget_of_users, features, part_of_budget
from trimtab.settings.cloudwatch import read_cloudwatch
from trimtab.settings.encryption import read_encryption
from trimtab.settings.evals import read_evals
from trimtab.settings.fields import (
    MODEL_NAME,
    Read,
    archive,
    count,
    day,
    duration,
    end_of_day_us,
    entries,
    flag,
    listen,
    members,
    name,
    one_of,
    redis_url,
    reference,
    scalar,
    size,
    store,
    take,
    texts,
    timezone,
    url,
)
from trimtab.settings.model import (
    GatewaySettings,
    PriceSettings,
    UnknownModel,
)
from trimtab.settings.providers import read_provider
from trimtab.settings.reconcile import read_reconcile
from trimtab.settings.registry import read_registry
from trimtab.settings.retention import read_content_days, read_retention
from trimtab.settings.routing import read_model
from trimtab.settings.secrets import resolve
from trimtab.settings.telemetry import read_telemetry

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY_ID = re.compile(r"[a-z0-9]{12}")


def sections(environ: Mapping[str, str]) -> Mapping[str, Read]:
    """Name the sections of the file and who reads each."""
    return {
        "version": _version,
        "gateway": _gateway,
        "providers": lambda node, faults: entries(node, faults, NAME, read_provider),
        "models": lambda node, faults: entries(node, faults, MODEL_NAME, read_model),
        "tiers": lambda node, faults: entries(node, faults, NAME, _tier),
        "tenants": lambda node, faults: entries(node, faults, NAME, _tenant),
        "keys": partial(_keys, environ),
        "prices": _prices,
        "telemetry": partial(read_telemetry, environ),
        "cloudwatch": read_cloudwatch,
        "log_line": _log_to_stdout,
        "content_encryption": read_encryption,
        "registry": read_registry,
        "reconcile": read_reconcile,
        "retention": read_retention,
        "site": budget_of,
        "alerts": read_alerts,
        "stripe": read_stripe,
        "evals": read_evals,
    }


def _version(node: Node, _faults: Faults) -> int:
    if scalar(node).text != "1":
        raise Wrong("only version 1 is known; write `version: 1`")
    return 1


_GATEWAY: Mapping[str, Read] = {
    "listen": listen,
    "max_body": size,
    "drain": duration,
    "admin_key": reference,
    "public_url": url,
    "redis": redis_url,
    "when_redis_is_down": one_of(WhenAway),
    "store": store,
    "records": store,
    "archive": archive,
}


def _gateway(node: Node, faults: Faults) -> GatewaySettings:
    given = members(node, faults, _GATEWAY) or {}
    if "listen" in given:
        given["host"], given["port"] = given.pop("listen")
    if "drain" in given:
        given["drain_s"] = given.pop("drain")
    return GatewaySettings(**given)


_LIMITS: Mapping[str, Read] = {
    "requests_per_minute": count,
    "tokens_per_minute": count,
    "parallel": count,
    "shadow": flag,
}
_TIER: Mapping[str, Read] = {
    "models": texts,
    "limits": lambda node, faults: Limits(**members(node, faults, _LIMITS) or {}),
    "content": one_of(ContentPolicy),
    "judge": one_of(JudgePolicy),
    "search": one_of(SearchPolicy),
    "durability": one_of(Durability),
    "when_redis_is_down": one_of(WhenAway),
    "when_spool_is_full": one_of(WhenFull),
    "server_tools": texts,
    "budget": budget,
    "plan": read_plan,
}
_TENANT: Mapping[str, Read] = {
    **_TIER,
    "tier": name,
    "timezone": timezone,
    "trust_trace_context": flag,
    "retention": read_content_days,
    "budget": part_of_budget,
    "features": features,
    "each_end_user": budget_of_users,
    "stripe_customer": stripe_name,
    "prices": lambda node, faults: _overrides(node, faults),  # noqa: PLW0108 -- defined below
}


def _tier(called: str, node: Node, faults: Faults) -> Tier | None:
    given = members(node, faults, _TIER)
    return None if given is None else Tier(name=called, **given)


def _tenant(called: str, node: Node, faults: Faults) -> Tenant | None:
    if called.startswith(RESERVED_PREFIX) and called != EVALS:
        raise Wrong(
            f"tenants of {RESERVED_PREFIX!r} are the system's own; choose another name, or"
            f" {EVALS!r}, which pays for evaluations"
        )
    given = members(node, faults, _TENANT, frozenset({"tier"}))
    if given is not None and "retention" in given:
        given["content_days"] = given.pop("retention")
    return None if given is None else Tenant(id=TenantId(called), **given)


def _keys(environ: Mapping[str, str], node: Node, faults: Faults) -> dict[KeyId, Key]:
    if not isinstance(node, Items):
        raise Wrong("is not a list; write `- {name: ..., tenant: ..., id: ..., sha256: ...}`")
    keys: dict[KeyId, Key] = {}
    for item in node.items:
        key = _key(environ, item, faults)
        if key is None:
            continue
        if key.id in keys:
            faults.add(f"{item.path}.id", f"{key.id!r} is given twice; every key has its own id")
        keys[key.id] = key
    return keys


def _key(environ: Mapping[str, str], node: Node, faults: Faults) -> Key | None:
    table: Mapping[str, Read] = {
        "name": name,
        "tenant": name,
        "id": _key_id,
        "sha256": partial(_sha256, environ),
        "models": texts,
        "expires": day,
        "may": _rights,
        "act_for": _act_for,
        "new_tenant_tier": name,
        "budget": budget,
        "trust_trace_context": flag,
    }
    before = len(faults.found)
    given = members(node, faults, table, frozenset({"name", "id", "sha256"}))
    if given is None or len(faults.found) > before:
        return None
    expires: date | None = given.pop("expires", None)
    expires_us = None if expires is None else end_of_day_us(expires)
    key = Key(expires_us=expires_us, **given)
    try:
        check_terms(key)
    except InvalidRequest as exc:
        faults.add(node.path, str(exc))
        return None
    return key


def _rights(node: Node, faults: Faults) -> tuple[KeyRight, ...]:
    """Read a list of rights; each is one of a closed set."""
    if not isinstance(node, Items):
        raise Wrong("is not a list; write [evals, replay]")
    found: dict[str, KeyRight] = {}
    for item in node.items:
        take(item, faults, one_of(KeyRight), found, item.path)
    return tuple(dict.fromkeys(found.values()))


def _act_for(node: Node, faults: Faults) -> tuple[str, ...]:
    """Read a list of tenants, or `*`."""
    if isinstance(node, Scalar) and node.text == ANY_TENANT:
        return (ANY_TENANT,)
    return texts(node, faults)


def _key_id(node: Node, _faults: Faults) -> str:
    written = scalar(node).text
    if _KEY_ID.fullmatch(written) is None:
        raise Wrong("is no key id; write the 12 characters between tt_..._ and the secret")
    return written


def _sha256(environ: Mapping[str, str], node: Node, faults: Faults) -> str:
    written = scalar(node).text
    if _SHA256.fullmatch(written):
        return written
    try:
        found = resolve(reference(node, faults), environ).reveal().lower()
    except SettingsInvalid as exc:
        raise Wrong(str(exc)) from exc
    if _SHA256.fullmatch(found) is None:
        raise Wrong(f"what {written!r} leads to is no SHA-256; it has 64 hex digits")
    return found


def _prices(node: Node, faults: Faults) -> PriceSettings:
    table: Mapping[str, Read] = {
        "unknown_model": one_of(UnknownModel),
        "overrides": _overrides,
    }
    return PriceSettings(**members(node, faults, table) or {})


def _overrides(node: Node, faults: Faults) -> dict[str, object]:
    if not isinstance(node, Members):
        raise Wrong("is not a map; write `provider/model: {input: 3, output: 15}`")
    overrides: dict[str, object] = {}
    for pattern, member in node.members.items():
        overrides[pattern] = anything(member)
        try:
            parse_overrides({pattern: overrides[pattern]})
        except SettingsInvalid as exc:
            faults.add(member.path, str(exc))
    return overrides


def _log_to_stdout(node: Node, faults: Faults) -> bool:
    given = members(node, faults, {"stdout": flag}) or {}
    return given.get("stdout", False)

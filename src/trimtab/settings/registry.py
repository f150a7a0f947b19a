"""The section `registry` of the file: where prompts are, and what is asked of them."""

from collections.abc import Mapping

from trimtab.domain.prompt import LABEL, Cohort, RegistryPolicy, Requirement
from trimtab.domain.tenant import NAME
from trimtab.domain.yaml_tree import Faults, Items, Node, Wrong
from trimtab.settings.fields import (
    Read,
    days,
    entries,
    flag,
    members,
    name,
    one_of,
    reference,
    take,
    texts,
    url,
)
from trimtab.settings.model import RegistrySettings, WebhookSettings

_TIER = "tier-"


def read_registry(node: Node, faults: Faults) -> RegistrySettings:
    """Read the section."""
    table: Mapping[str, Read] = {
        "files": texts,
        "require_schemas": flag,
        "rollback_window": days,
        "protected": lambda node, faults: entries(node, faults, LABEL, _requires),
        "cohorts": lambda node, faults: entries(node, faults, NAME, _tenants),
        "webhooks": _webhooks,
    }
    given = members(node, faults, table) or {}
    cohorts = given.pop("cohorts", {})
    policy = {
        member: given.pop(written)
        for written, member in (
            ("require_schemas", "require_schemas"),
            ("rollback_window", "rollback_window_s"),
            ("protected", "protected"),
        )
        if written in given
    }
    if cohorts:
        policy["cohorts"] = tuple(Cohort(it, frozenset(tenants)) for it, tenants in cohorts.items())
    return RegistrySettings(policy=RegistryPolicy(**policy), **given)


def _requires(_label: str, node: Node, faults: Faults) -> tuple[Requirement, ...]:
    """Read `{requires: [eval, review]}`."""
    given = members(node, faults, {"requires": _requirements}) or {}
    return given.get("requires", ())


def _requirements(node: Node, faults: Faults) -> tuple[Requirement, ...]:
    if not isinstance(node, Items):
        raise Wrong("is not a list; write [eval, review], or [] for none")
    found: dict[str, Requirement] = {}
    for item in node.items:
        take(item, faults, one_of(Requirement), found, item.path)
    return tuple(dict.fromkeys(found.values()))


def _tenants(cohort: str, node: Node, faults: Faults) -> tuple[str, ...]:
    if cohort.startswith(_TIER):
        raise Wrong(f"cohorts of {_TIER!r} are the tiers' own; choose another name")
    return texts(node, faults)


def _webhooks(node: Node, faults: Faults) -> tuple[WebhookSettings, ...]:
    if not isinstance(node, Items):
        raise Wrong("is not a list; write `- {name: ..., url: https://..., secret: env:NAME}`")
    found: dict[str, WebhookSettings] = {}
    for item in node.items:
        given = members(
            item,
            faults,
            {"name": name, "url": url, "secret": reference, "allow_private_network": flag},
            frozenset({"name", "url", "secret"}),
        )
        if given is None:
            continue
        if given["name"] in found:
            faults.add(f"{item.path}.name", f"two webhooks are called {given['name']!r}")
        found[given["name"]] = WebhookSettings(**given)
    return tuple(found.values())

"""The section `registry` of the file: where prompts are, and what is asked of them."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from trimtab.domain.prompt import LABEL, Cohort, RegistryPolicy, Requirement
from trimtab.domain.tenant import NAME
from trimtab.domain.yaml_tree import Faults, Items, Node, Wrong
from trimtab.settings.fields import (
    Read,
    days,
    entries,
    flag,
    is_private,
    members,
    name,
    one_of,
    reference,
    scalar,
    take,
    text,
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
            {"name": name, "url": posted_to, "secret": reference, "allow_private_network": flag},
            frozenset({"name", "url", "secret"}),
        )
        if given is None:
            continue
        check_posted_to(
            given["url"], item, faults, is_allowed=given.get("allow_private_network", False)
        )
        if given["name"] in found:
            faults.add(
                f"{item.path}.name", f"two webhooks are called {given['name']!r}; rename one"
            )
        found[given["name"]] = WebhookSettings(**given)
    return tuple(found.values())


def posted_to(node: Node, faults: Faults) -> str:
    """Read where messages are posted: a slash at its end and a query mean something."""
    written = text(node, faults)
    if "#" in written:
        raise Wrong("a URL that is posted to has no '#'; remove what follows it")
    url(replace(scalar(node), text=written.partition("?")[0]), faults)
    return written


def check_posted_to(address: str, webhook: Node, faults: Faults, *, is_allowed: bool) -> None:
    """Note a URL that is on a private network, or not encrypted, unless that is allowed."""
    if is_allowed:
        return
    if is_private(address):
        faults.add(
            f"{webhook.path}.url",
            "is on this machine or a private network; add `allow_private_network: true`",
        )
    elif urlsplit(address).scheme != "https":
        faults.add(
            f"{webhook.path}.url",
            "is not encrypted; write https://, or add `allow_private_network: true` if it is on a"
            " private network",
        )

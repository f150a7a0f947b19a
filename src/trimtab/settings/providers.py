"""The section `providers`: accounts that requests are sent to."""

import re
from collections.abc import Mapping

from trimtab.domain.model import Maximum, OnClientGone, Provider, ProviderWire
from trimtab.domain.yaml_tree import Faults, Items, Members, Node, Scalar, Wrong, anything
from trimtab.providers.litellm.account import FIXED, REGIONS
from trimtab.settings.fields import (
    Read,
    count,
    flag,
    is_private,
    members,
    name,
    one_of,
    reference,
    reference_or_none,
    scalar,
    text,
    texts,
    url,
)
from trimtab.settings.secrets import NO_SECRET, REFERENCE

_PREFIX = re.compile(r"[a-z0-9_-]+/([\w.-]+/)*", re.ASCII)
_OPTION = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SECRET_OPTION = re.compile(r"(?:^|_)(?:key|secret|token|password|credentials)(?:_|$)")
_NO_OPTION = frozenset({*FIXED, *REGIONS.values(), "api_key", "api_base", "base_url", "model"})


def read_provider(called: str, node: Node, faults: Faults) -> Provider | None:
    """Read an account; which members it has depends on its wire."""
    is_litellm = _wire(node) == ProviderWire.LITELLM
    required = {"wire", "model_prefix"} if is_litellm else {"wire", "url"}
    given = members(node, faults, _PROVIDER, frozenset(required))
    if given is None:
        return None
    for member in given.keys() & (_DIRECT if is_litellm else _LITELLM):
        faults.add(
            f"{node.path}.{member}", f"means nothing to `wire: {given['wire']}`; leave it out"
        )
    if is_private(given.get("url", "")) and not given.get("allow_private_network"):
        faults.add(
            f"{node.path}.url",
            "is on this machine or a private network; add `allow_private_network: true`",
        )
    prefix = str(given.get("model_prefix", "")).partition("/")[0]
    if is_litellm and "region" in given and prefix not in REGIONS:
        faults.add(
            f"{node.path}.region",
            f"{prefix!r} has no region that is known here; write its own name for it in `options`",
        )
    key, *more = given.pop("key", (NO_SECRET,))
    return Provider(name=called, key=key, more_keys=tuple(more), **given)


def _wire(node: Node) -> str | None:
    wire = node.members.get("wire") if isinstance(node, Members) else None
    return wire.text if isinstance(wire, Scalar) else None


def _credentials(node: Node, faults: Faults) -> tuple[str, ...]:
    """Read one credential, or a list of those that take turns."""
    if not isinstance(node, Items):
        return (reference_or_none(node, faults),)
    keys = tuple(reference(item, faults) for item in node.items)
    if not keys or len(set(keys)) < len(keys):
        raise Wrong("is empty, or names a credential twice; write [env:KEY_1, env:KEY_2]")
    return keys


def _prefix(node: Node, _faults: Faults) -> str:
    if _PREFIX.fullmatch(scalar(node).text) is None:
        raise Wrong("is no prefix of litellm's models; write one with a slash, as bedrock/")
    return scalar(node).text


def _options(node: Node, faults: Faults) -> dict[str, object]:
    """Read arguments of the library; those that hold a secret must be references."""
    if not isinstance(node, Members):
        raise Wrong("is not a map; write {api_version: 2026-02-01}")
    options: dict[str, object] = {}
    for option, member in node.members.items():
        if not isinstance(member, Scalar):
            faults.add(member.path, "is not one value; write text, a number, true or false")
        elif _OPTION.fullmatch(option) is None or option in _NO_OPTION:
            faults.add(member.path, "is not yours to set; use the provider's own members")
        elif _SECRET_OPTION.search(option) and REFERENCE.fullmatch(member.text) is None:
            faults.add(member.path, "a secret must be a reference; write env:NAME or file:PATH")
        else:
            options[option] = anything(member)
    return options


def _max_tokens(node: Node, faults: Faults) -> dict[str, Maximum]:
    """Read what models read and write at most, by name or by its beginning and `*`."""
    if not isinstance(node, Members):
        raise Wrong("is not a map; write {large-*: {input: 200_000, output: 64_000}}")
    found: dict[str, Maximum] = {}
    for model, member in node.members.items():
        given = members(member, faults, {"input": count, "output": count})
        if not model or "*" in model[:-1]:
            faults.add(
                member.path, f"{model!r} is no model; write its name, or its beginning and *"
            )
        elif given is not None:
            found[model] = Maximum(**given)
    return found


_PROVIDER: Mapping[str, Read] = {
    "wire": one_of(ProviderWire),
    "url": url,
    "key": _credentials,
    "on_client_gone": one_of(OnClientGone),
    "prices_as": name,
    "allow_private_network": flag,
    "propagate": flag,
    "betas": texts,
    "ca_file": text,
    "prefill": flag,
    "model_prefix": _prefix,
    "region": name,
    "options": _options,
    "max_tokens": _max_tokens,
}
_DIRECT = frozenset({"betas", "ca_file", "propagate"})
_LITELLM = frozenset({"model_prefix", "region", "options"})

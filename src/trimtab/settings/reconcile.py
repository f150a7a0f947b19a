"""The section `reconcile` of the file: how the bills of providers are read."""

from collections.abc import Iterator, Mapping

from trimtab.domain.model import Provider, ProviderWire
from trimtab.domain.tenant import NAME
from trimtab.domain.yaml_tree import Faults, Items, Node, Wrong
from trimtab.settings.fields import Read, entries, members, reference, text, url
from trimtab.settings.model import AccountSettings, BillingSettings

BILLED_BY = (ProviderWire.OPENAI, ProviderWire.ANTHROPIC)
"""The wires whose providers have an API for their bills."""


def read_reconcile(node: Node, faults: Faults) -> tuple[BillingSettings, ...]:
    """Read the section."""
    table: Mapping[str, Read] = {
        "providers": lambda node, faults: entries(node, faults, NAME, _billing),
    }
    given = members(node, faults, table) or {}
    found: dict[str, BillingSettings | None] = given.get("providers", {})
    return tuple(it for it in found.values() if it is not None)


def check_billings(
    billings: tuple[BillingSettings, ...], providers: Mapping[str, Provider]
) -> Iterator[tuple[str, str]]:
    """Tell what does not fit the providers, each with its path."""
    for billing in billings:
        path = f"reconcile.providers.{billing.provider}"
        provider = providers.get(billing.provider)
        if provider is None:
            continue
        if provider.wire not in BILLED_BY:
            wire = f"has the wire {str(provider.wire)!r}, whose bills cannot be read"
            yield path, f"{wire}; name one of wire openai or anthropic"
        for index, account in enumerate(billing.accounts):
            if account.key is not None and account.key not in provider.keys:
                yield (
                    f"{path}.accounts[{index}].key",
                    "is no credential of the provider; write one of `key` there",
                )


def _billing(called: str, node: Node, faults: Faults) -> BillingSettings | None:
    table: Mapping[str, Read] = {"admin_key": reference, "url": url, "accounts": _accounts}
    given = members(node, faults, table, frozenset({"admin_key"}))
    return None if given is None else BillingSettings(provider=called, **given)


_ACCOUNT: Mapping[str, Read] = {"account": text, "key": reference, "key_id": text}


def _accounts(node: Node, faults: Faults) -> tuple[AccountSettings, ...]:
    if not isinstance(node, Items):
        raise Wrong("is not a list; write `- {account: proj_..., key: env:NAME, key_id: key_...}`")
    found = [members(it, faults, _ACCOUNT, frozenset({"account"})) for it in node.items]
    return tuple(AccountSettings(**it) for it in found if it is not None)

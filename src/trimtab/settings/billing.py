"""Reads what tenants are billed, `plan: {markup: 20%}`, and who makes invoices of it, `stripe`."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from trimtab.domain.billing import WHOLE, Plan
from trimtab.domain.tenant import NAME
from trimtab.domain.yaml_tree import Faults, Node, Wrong
from trimtab.settings.fields import (
    MODEL_NAME,
    Read,
    duration,
    entries,
    flag,
    members,
    reference,
    scalar,
    text,
)
from trimtab.settings.model import StripeSettings
from trimtab.settings.registry import check_posted_to, posted_to

LARGEST = 100
_STRIPE_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


def read_plan(node: Node, faults: Faults) -> Plan | None:
    """Read a plan of cost plus."""
    given = members(node, faults, _PLAN)
    return None if given is None else Plan(**given)


def _share(node: Node, _faults: Faults) -> int:
    """Read a share of the cost as millionths; a discount is below 0."""
    written = scalar(node).text.strip()
    try:
        number = Decimal(written.removesuffix("%").rstrip())
    except InvalidOperation:
        number = Decimal("NaN")
    share = number * WHOLE / 100 if written.endswith("%") else number * WHOLE
    if not share.is_finite() or share != share.to_integral_value():
        raise Wrong(f"{written!r} is no share; write it as 20% or 0.2, with four decimals of a %")
    if not -WHOLE <= share <= LARGEST * WHOLE:
        raise Wrong(f"{written!r} is not from -100% to 10,000%; choose a share that is")
    return int(share)


_PLAN: Mapping[str, Read] = {
    "markup": _share,
    "features": lambda node, faults: entries(node, faults, NAME, _named),
    "models": lambda node, faults: entries(node, faults, MODEL_NAME, _named),
}


def _named(_name: str, node: Node, faults: Faults) -> int:
    return _share(node, faults)


def read_stripe(node: Node, faults: Faults) -> StripeSettings | None:
    """Read the section `stripe`."""
    given = members(node, faults, _STRIPE, frozenset({"key"}))
    if given is None:
        return None
    if "url" in given:
        allowed = given.get("allow_private_network", False)
        check_posted_to(given["url"], node, faults, is_allowed=allowed)
    for written in given.keys() & {"grace", "every"}:
        given[f"{written}_s"] = given.pop(written)
    return StripeSettings(**given)


def stripe_name(node: Node, faults: Faults) -> str:
    """Read the id of a customer or the name of an event, as Stripe has it."""
    written = text(node, faults)
    if _STRIPE_NAME.fullmatch(written) is None:
        raise Wrong(f"{written!r} is nothing that Stripe has; copy it from there, as cus_NffrFeUf")
    return written


_STRIPE: Mapping[str, Read] = {
    "key": reference,
    "event_name": stripe_name,
    "grace": duration,
    "every": duration,
    "url": posted_to,
    "allow_private_network": flag,
}

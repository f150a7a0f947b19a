"""Reads what tenants are billed: `plan: {markup: 20%, features: {search: 10%}}`."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from trimtab.domain.billing import WHOLE, Plan
from trimtab.domain.tenant import NAME
from trimtab.domain.yaml_tree import Faults, Node, Wrong
from trimtab.settings.fields import MODEL_NAME, Read, entries, members, scalar

LARGEST = 100


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

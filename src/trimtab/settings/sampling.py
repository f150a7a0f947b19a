"""The member `telemetry.sampling` of the file: which traces are exported."""

import math
import re
from collections.abc import Mapping

from trimtab.domain.tenant import NAME
from trimtab.domain.yaml_tree import Faults, Node, Wrong, plain_value
from trimtab.settings.fields import Read, count, entries, members, one_of, scalar, texts
from trimtab.telemetry.facts import ROUTES
from trimtab.telemetry.sampling import Mode, Policy

LEAST = 0.0001
"""Thresholds have 16 bits: what is less is no longer the share that was written."""

_PATH = re.compile(r"/.{1,99}")
_WATCHED = re.compile(r"(tenant|prompt|model|feature):[A-Za-z0-9][A-Za-z0-9._:/-]{0,126}")


def read_sampling(node: Node, faults: Faults) -> Policy:
    """Read the member."""
    table: Mapping[str, Read] = {
        "rest": _share,
        "tiers": lambda node, faults: entries(
            node, faults, NAME, lambda _, it, faults: _share(it, faults)
        ),
        "slow_ms": count,
        "slow_ms_by_route": lambda node, faults: entries(node, faults, _PATH, _limit),
        "keep": _watched,
        "mode": one_of(Mode),
        "rehydrate_below": _score,
    }
    given = members(node, faults, table) or {}
    if "rehydrate_below" in given:
        given["below"] = given.pop("rehydrate_below")
    return Policy(**given)


def _limit(path: str, node: Node, faults: Faults) -> int | None:
    if path not in ROUTES:
        raise Wrong(f"{path!r} is no route; write one of {', '.join(sorted(ROUTES))}")
    return count(node, faults)


def _share(node: Node, _faults: Faults) -> float:
    share = _number(node)
    if not LEAST <= share <= 1:
        raise Wrong(f"{share:g} is no share of traces; write 0.0001 to 1, as 0.05")
    return share


def _score(node: Node, _faults: Faults) -> float:
    return _number(node)


def _number(node: Node) -> float:
    single = scalar(node)
    value = plain_value(single.text)
    if not single.plain or isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong(f"{single.text!r} is no number; write one, as 0.05")
    if not math.isfinite(value):
        raise Wrong(f"{single.text!r} is no number; write one, as 0.05")
    return float(value)


def _watched(node: Node, faults: Faults) -> tuple[str, ...]:
    written = texts(node, faults)
    for it in written:
        if _WATCHED.fullmatch(it) is None:
            raise Wrong(f"{it!r} cannot be watched; write tenant:NAME, or prompt, model, feature")
    return written

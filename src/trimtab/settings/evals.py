"""The section `evals` of the file: what of live traffic is judged."""

import re
from collections.abc import Callable, Iterator, Mapping
from pkgutil import resolve_name
from typing import Any

from trimtab.domain.yaml_tree import Faults, Members, Node, Wrong, anything
from trimtab.settings.budget import usd
from trimtab.settings.fields import Read, count, members, scalar, text
from trimtab.settings.model import OnlineSettings

_PER_CENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)\s*%")
_ALL = 100.0


def read_evals(node: Node, faults: Faults) -> OnlineSettings | None:
    """Read the section."""
    given = members(node, faults, {"online": _online}) or {}
    return given.get("online")


def _online(node: Node, faults: Faults) -> OnlineSettings | None:
    table: Mapping[str, Read] = {
        "rate": _share,
        "at_least": count,
        "max_usd": usd,
        "judge": _judge,
        "metrics": _metrics,
    }
    given = members(node, faults, table, frozenset({"max_usd", "judge", "metrics"}))
    if given is None:
        return None
    judge: Mapping[str, Any] = given.pop("judge")
    # What metrics are made of takes long to import, and few commands need it.
    check: Callable[..., Iterator[tuple[str, str]]] = resolve_name("trimtab.evals.online:faults")
    for path, what in check(given["metrics"], embeds="embeddings" in judge):
        faults.add(f"{node.path}.metrics.{path}", what)
    return OnlineSettings(most_nano=given.pop("max_usd"), **judge, **given)


def _judge(node: Node, faults: Faults) -> dict[str, Any] | None:
    table: Mapping[str, Read] = {"model": text, "max_tokens": count, "embeddings": text}
    return members(node, faults, table, frozenset({"model"}))


def _metrics(node: Node, _faults: Faults) -> dict[str, Any]:
    if not isinstance(node, Members) or not node.members:
        raise Wrong("names no metric; write `refuses: {expected: false}`")
    return {name: anything(it) or {} for name, it in node.members.items()}


def _share(node: Node, _faults: Faults) -> float:
    written = scalar(node).text
    match = _PER_CENT.fullmatch(written)
    if match is None or float(match[1]) > _ALL:
        raise Wrong(f"{written!r} is no share; write a number up to 100 and %, as 1%")
    return float(match[1]) / _ALL

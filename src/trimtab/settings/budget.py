"""Reads what may be spent: `budget: {usd: 500, per: month, speed: {usd: 25, per: hour}}`."""

import re
from collections.abc import Mapping

from trimtab.domain.budget import MOST_NANO, Budget, Downgrade, Hold, Period, Speed, WhenEmpty
from trimtab.domain.money import NANO_PER_USD, parse_usd
from trimtab.domain.tenant import NAME
from trimtab.domain.yaml_tree import Faults, Items, Members, Node, Wrong
from trimtab.settings.fields import Read, entries, members, one_of, scalar, text

_PER_CENT = re.compile(r"([1-9][0-9]?|100)\s*%")


def budget(node: Node, faults: Faults) -> Budget | None:
    """Read a budget."""
    return _whole(node, faults, _BUDGET)


def part_of_budget(node: Node, faults: Faults) -> Budget | None:
    """Read what a tenant says of its budget; the rest its tier says."""
    return _part(node, faults, _BUDGET)


def budget_of(node: Node, faults: Faults) -> Budget | None:
    """Read `{budget: ...}`."""
    given = members(node, faults, {"budget": budget}, frozenset({"budget"}))
    return None if given is None else given["budget"]


def budget_of_users(node: Node, faults: Faults) -> Budget | None:
    """Read `{budget: ...}` of each end user; nobody is told of so many."""
    table: Mapping[str, Read] = {"budget": lambda it, found: _whole(it, found, _OF_USERS)}
    given = members(node, faults, table, frozenset(table))
    return None if given is None else given["budget"]


def features(node: Node, faults: Faults) -> dict[str, Budget]:
    """Read budgets of features, by name."""
    return entries(node, faults, NAME, lambda _, value, found: budget_of(value, found))


def _whole(node: Node, faults: Faults, table: Mapping[str, Read]) -> Budget | None:
    before = len(faults.found)
    read = _part(node, faults, table)
    is_bare = read is not None and read.nano is None and read.speed is None
    if is_bare and len(faults.found) == before:
        raise Wrong("bounds nothing; add `usd` or `speed`")
    return read


def _part(node: Node, faults: Faults, table: Mapping[str, Read]) -> Budget | None:
    given = members(node, faults, table)
    return None if given is None else Budget(nano=given.pop("usd", None), **given)


def usd(node: Node, _faults: Faults) -> int:
    """Read an amount in USD, above 0, as nano-USD."""
    written = scalar(node).text.replace("_", "")
    try:
        nano = parse_usd(written)
    except ValueError:
        raise Wrong(f"{written!r} is no amount in USD; write digits, as 500 or 0.25") from None
    if not 0 < nano <= MOST_NANO:
        most = f"{MOST_NANO // NANO_PER_USD:_}"
        raise Wrong(f"{written!r} is not above 0 and at most {most} USD; choose an amount that is")
    return nano


def _speed(node: Node, faults: Faults) -> Speed | None:
    table: Mapping[str, Read] = {"usd": usd, "per": one_of(Period)}
    given = members(node, faults, table, frozenset({"usd"}))
    return None if given is None else Speed(nano=given.pop("usd"), **given)


def _when_empty(node: Node, faults: Faults) -> WhenEmpty | Downgrade | None:
    """Read `block`, `warn`, or `{downgrade_to: chat-small, up_to_usd: 50}`."""
    if not isinstance(node, Members):
        return one_of(WhenEmpty)(node, faults)
    table: Mapping[str, Read] = {"downgrade_to": text, "up_to_usd": usd}
    given = members(node, faults, table, frozenset(table))
    if given is None:
        return None
    return Downgrade(to=given["downgrade_to"], nano=given["up_to_usd"])


def _warn_at(node: Node, _faults: Faults) -> tuple[int, ...]:
    """Read `[50%, 80%, 95%]`."""
    if not isinstance(node, Items):
        raise Wrong("is not a list; write [50%, 80%, 95%]")
    found = [_PER_CENT.fullmatch(scalar(item).text) for item in node.items]
    shares = tuple(int(it[1]) for it in found if it is not None)
    if len(shares) < len(found) or list(shares) != sorted(set(shares)):
        raise Wrong("is not 1 % to 100 % in order, none twice; write [50%, 80%, 95%]")
    return shares


_BUDGET: Mapping[str, Read] = {
    "usd": usd,
    "per": one_of(Period),
    "speed": _speed,
    "when_empty": _when_empty,
    "hold": one_of(Hold),
    "warn_at": _warn_at,
}
_OF_USERS: Mapping[str, Read] = {name: read for name, read in _BUDGET.items() if name != "warn_at"}

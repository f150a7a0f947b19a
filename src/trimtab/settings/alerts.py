"""The section `alerts` of the file: what counts as too much, and who is told."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from trimtab.domain.alert import Severity, Tls
from trimtab.domain.money import parse_usd
from trimtab.domain.yaml_tree import Faults, Items, Members, Node, Scalar, Wrong, nearest
from trimtab.settings.fields import (
    LAST_PORT,
    Read,
    duration,
    flag,
    members,
    name,
    one_of,
    reference,
    scalar,
    take,
    text,
    texts,
)
from trimtab.settings.model import AlertSettings, RouteKind, RouteSettings
from trimtab.settings.registry import check_posted_to, posted_to

_LEAST_FACTOR, _MOST_FACTOR = 1, 100
_PORTS = {Tls.TLS: 465, Tls.STARTTLS: 587, Tls.NONE: 25}


def read_alerts(node: Node, faults: Faults) -> AlertSettings:
    """Read the section."""
    table: Mapping[str, Read] = {
        "every": duration,
        "repeat": duration,
        "floor_usd": _usd,
        "factor": _factor,
        "routes": _routes,
    }
    given = members(node, faults, table) or {}
    names = {
        "every": "every_s",
        "repeat": "repeat_s",
        "floor_usd": "floor_nano",
        "factor": "factor_pct",
        "routes": "routes",
    }
    return AlertSettings(**{names[member]: value for member, value in given.items()})


def _usd(node: Node, _faults: Faults) -> int:
    written = scalar(node).text.replace("_", "")
    try:
        nano = parse_usd(written)
    except ValueError:
        nano = 0
    if nano <= 0:
        raise Wrong(f"{written!r} is no amount in USD above 0; write digits, as 5 or 0.25")
    return nano


def _factor(node: Node, _faults: Faults) -> int:
    """Read how many times the usual, in per cent."""
    written = scalar(node).text
    try:
        per_cent = Decimal(written) * 100
    except InvalidOperation:
        per_cent = Decimal(0)
    is_whole = per_cent.is_finite() and per_cent == per_cent.to_integral_value()
    if not is_whole or not _LEAST_FACTOR * 100 < per_cent <= _MOST_FACTOR * 100:
        raise Wrong(f"{written!r} is no factor above 1 and up to 100; write it as 3 or 2.5")
    return int(per_cent)


def _routes(node: Node, faults: Faults) -> tuple[RouteSettings, ...]:
    if not isinstance(node, Items):
        raise Wrong("is not a list; write `- {name: ops, kind: slack, url: env:SLACK_URL}`")
    found: dict[str, RouteSettings] = {}
    for item in node.items:
        route = _route(item, faults)
        if route is None:
            continue
        if route.name in found:
            faults.add(f"{item.path}.name", f"two routes are called {route.name!r}; rename one")
        found[route.name] = route
    return tuple(found.values())


def _route(node: Node, faults: Faults) -> RouteSettings | None:
    """Read a route by the table of its kind."""
    kind = _kind(node, faults)
    if kind is None:
        return None
    own, required = _KINDS[kind]
    table: Mapping[str, Read] = {
        "name": name,
        "kind": one_of(RouteKind),
        "severities": _severities,
        "allow_private_network": flag,
        **own,
    }
    given = members(node, faults, table, required | {"name", "kind"})
    if given is None:
        return None
    if kind is RouteKind.EMAIL:
        _check_server(given, node, faults)
    elif kind is not RouteKind.SLACK and "url" in given:
        allowed = given.get("allow_private_network", False)
        check_posted_to(given["url"], node, faults, is_allowed=allowed)
    if "from" in given:
        given["sender"] = given.pop("from")
    return RouteSettings(**given)


def _kind(node: Node, faults: Faults) -> RouteKind | None:
    if not isinstance(node, Members):
        faults.add(node.path, "is not a map; write {name: ..., kind: ...}")
        return None
    written = node.members.get("kind")
    if not isinstance(written, Scalar):
        faults.add(node.path, f"'kind' is missing; write {' | '.join(RouteKind)}")
        return None
    if written.text not in set(RouteKind):
        faults.add(written.path, f"is not known here; {nearest(written.text, list(RouteKind))}")
        return None
    return RouteKind(written.text)


def _severities(node: Node, faults: Faults) -> frozenset[Severity]:
    if not isinstance(node, Items) or not node.items:
        raise Wrong("is no list of severities; write [page, message, report], or some of them")
    found: dict[str, Severity] = {}
    for item in node.items:
        take(item, faults, one_of(Severity), found, item.path)
    return frozenset(found.values())


def _server(node: Node, faults: Faults) -> str:
    """Read `host` or `host:port`."""
    written = text(node, faults)
    host, colon, port = written.partition(":")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) <= LAST_PORT
    if not host or any(it in host for it in "/@ ") or (colon and not is_port):
        raise Wrong(f"{written!r} is no mail server; write host or host:port")
    return written


def _address(node: Node, faults: Faults) -> str:
    written = text(node, faults)
    _check_address(written)
    return written


def _addresses(node: Node, faults: Faults) -> tuple[str, ...]:
    found = texts(node, faults)
    for written in found:
        _check_address(written)
    if not found:
        raise Wrong("names nobody; write [ops@example.com]")
    return found


def _check_address(written: str) -> None:
    user, at, host = written.rpartition("@")
    if not (user and at and host) or any(it.isspace() or it in ",;<>" for it in written):
        raise Wrong(f"{written!r} is no mail address; write it as ops@example.com")


def _check_server(given: dict[str, Any], node: Node, faults: Faults) -> None:
    """Let nobody send mail in the clear by mistake; a server without a port has the usual one."""
    tls = given.get("tls", Tls.STARTTLS)
    host, _, port = given["server"].partition(":")
    given["server"] = (host, int(port) if port else _PORTS[tls])
    if tls is Tls.NONE and not given.get("allow_private_network", False):
        faults.add(
            f"{node.path}.tls",
            "is not encrypted; write starttls or tls, or add `allow_private_network: true` if the"
            " server is on a private network",
        )
    if ("user" in given) != ("password" in given):
        faults.add(node.path, "'user' and 'password' go together; write both or neither")


_Table = tuple[Mapping[str, Read], frozenset[str]]
_KINDS: Mapping[RouteKind, _Table] = {
    RouteKind.WEBHOOK: (
        {"url": posted_to, "secret": reference},
        frozenset({"url", "secret"}),
    ),
    RouteKind.SLACK: ({"url": reference}, frozenset({"url"})),
    RouteKind.PAGERDUTY: ({"key": reference, "url": posted_to}, frozenset({"key"})),
    RouteKind.EMAIL: (
        {
            "server": _server,
            "tls": one_of(Tls),
            "from": _address,
            "to": _addresses,
            "user": text,
            "password": reference,
        },
        frozenset({"server", "from", "to"}),
    ),
}

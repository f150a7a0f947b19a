"""The section `alerts` of the file: what counts as too much, and who is told."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from trimtab.domain.alert import Severity, Tls
from trimtab.domain.money import parse_usd
from trimtab.domain.yaml_tree import Faults, Items, Node, Wrong, nearest
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
from trimtab.settings.secrets import REFERENCE

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
    """Read a route; what belongs to another kind is not known there."""
    before = len(faults.found)
    given = members(node, faults, _ROUTE, frozenset({"name", "kind"}))
    if given is None or len(faults.found) > before:
        return None
    kind: RouteKind = given["kind"]
    required, optional = _MEMBERS[kind]
    for written in sorted(given.keys() - required - optional - _OF_ALL):
        known = nearest(written, sorted(required | optional))
        faults.add(f"{node.path}.{written}", f"is not known of kind {kind}; {known}")
    for missing in sorted(required - given.keys()):
        faults.add(node.path, f"'{missing}' is missing; add it")
    if len(faults.found) > before:
        return None
    if kind is RouteKind.EMAIL:
        _check_server(given, node, faults)
        given["sender"] = given.pop("from")
    elif "url" in given:
        _check_url(kind, given, node, faults)
    return RouteSettings(**given)


def _check_url(kind: RouteKind, given: dict[str, Any], node: Node, faults: Faults) -> None:
    """See that a URL is kept secret where who knows it may post, and encrypted elsewhere."""
    is_reference = REFERENCE.fullmatch(given["url"]) is not None
    if kind is RouteKind.SLACK:
        if not is_reference:
            faults.add(f"{node.path}.url", "is a secret; write env:NAME or file:PATH")
    elif is_reference:
        faults.add(f"{node.path}.url", "is no secret; write https://...")
    else:
        allowed = given.get("allow_private_network", False)
        check_posted_to(given["url"], node, faults, is_allowed=allowed)


def _url(node: Node, faults: Faults) -> str:
    """Read a URL, or a reference to one."""
    written = scalar(node).text
    return written if REFERENCE.fullmatch(written) else posted_to(node, faults)


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


_ROUTE: Mapping[str, Read] = {
    "name": name,
    "kind": one_of(RouteKind),
    "severities": _severities,
    "allow_private_network": flag,
    "url": _url,
    "secret": reference,
    "key": reference,
    "server": _server,
    "tls": one_of(Tls),
    "from": _address,
    "to": _addresses,
    "user": text,
    "password": reference,
}
_OF_ALL = frozenset({"name", "kind", "severities", "allow_private_network"})
_MEMBERS: Mapping[RouteKind, tuple[frozenset[str], frozenset[str]]] = {
    RouteKind.WEBHOOK: (frozenset({"url", "secret"}), frozenset()),
    RouteKind.SLACK: (frozenset({"url"}), frozenset()),
    RouteKind.PAGERDUTY: (frozenset({"key"}), frozenset({"url"})),
    RouteKind.EMAIL: (
        frozenset({"server", "from", "to"}),
        frozenset({"tls", "user", "password"}),
    ),
}
"""What each kind must say, and may."""

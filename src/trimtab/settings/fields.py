"""What single places of the file take: sizes, durations, dates, names, references.

Every reader takes a node and gives a value or raises `Wrong` with what to write instead.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.tenant import NAME
from trimtab.domain.yaml_tree import (
    Faults,
    Items,
    Members,
    Node,
    Scalar,
    Wrong,
    is_null,
    nearest,
    plain_value,
)
from trimtab.settings.secrets import NO_SECRET, REFERENCE, looks_secret
from trimtab.store.redis.address import parse

Read = Callable[[Node, Faults], Any]

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,126}")
LONGEST_S = 86_400.0
LAST_PORT = 65_535

_SIZE = re.compile(r"([0-9][0-9_]*)\s*(B|KiB|MiB|GiB)")
_SIZES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_DAYS = re.compile(r"([1-9][0-9]{0,3})\s*d")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)")
_DURATIONS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

E = TypeVar("E", bound=StrEnum)


class Listen(NamedTuple):
    """Address to listen on."""

    host: str
    port: int


def members(
    node: Node, faults: Faults, fields: Mapping[str, Read], required: frozenset[str] = frozenset()
) -> dict[str, Any] | None:
    """Read a map by the table of its members; `None` if a required one is missing or wrong.

    Everything wrong is noted. `null` is the same as not written.
    """
    if is_null(node):
        node = Members(node.path, node.line, {})
    if not isinstance(node, Members):
        faults.add(node.path, f"is not a map; it takes {', '.join(sorted(fields))}")
        return None
    values: dict[str, Any] = {}
    for name, member in node.members.items():
        if name not in fields:
            faults.add(member.path, f"is not known here; {nearest(name, fields)}")
        elif not is_null(member):
            take(member, faults, fields[name], values, name)
    written = {name for name, member in node.members.items() if not is_null(member)}
    for name in sorted(required - written):
        faults.add(node.path, f"'{name}' is missing; add it")
    return values if required <= values.keys() else None


def entries(
    node: Node,
    faults: Faults,
    form: re.Pattern[str],
    read: Callable[[str, Node, Faults], Any],
) -> dict[str, Any]:
    """Read a map from names of a form to values that are all alike."""
    if is_null(node):
        return {}
    if not isinstance(node, Members):
        faults.add(node.path, "is not a map; write `name: {...}` for each")
        return {}
    values: dict[str, Any] = {}
    for name, member in node.members.items():
        if form.fullmatch(name) is None:
            faults.add(member.path, f"{name!r} is no name; use a-z, 0-9, '.', '_' and '-'")
        else:
            take(member, faults, partial(read, name), values, name)
    return values


def take(node: Node, faults: Faults, read: Read, into: dict[str, Any], name: str) -> None:
    """Read one value into its place; what is wrong with it is noted.

    A literal secret is left out: it was noted before, and no message may repeat it.
    """
    if isinstance(node, Scalar) and looks_secret(node.text):
        return
    before = len(faults.found)
    try:
        value = read(node, faults)
    except Wrong as exc:
        faults.add(node.path, str(exc))
        return
    if value is not None or len(faults.found) == before:
        into[name] = value


def scalar(node: Node) -> Scalar:
    """Insist on a single value."""
    if not isinstance(node, Scalar):
        raise Wrong("is a list or a map; write a single value")
    return node


def text(node: Node, _faults: Faults) -> str:
    """Read text; what YAML takes for a number or a truth must be quoted."""
    single = scalar(node)
    if single.plain and not isinstance(plain_value(single.text), str):
        raise Wrong(f"{single.text!r} is not text; put it in quotes")
    if not single.text.strip():
        raise Wrong("is empty; write something or remove it")
    return single.text


def flag(node: Node, _faults: Faults) -> bool:
    """Read `true` or `false`, the only truths of YAML 1.2."""
    single = scalar(node)
    value = plain_value(single.text)
    if not single.plain or not isinstance(value, bool):
        raise Wrong(f"{single.text!r} is neither true nor false; write one of them")
    return value


def count(node: Node, _faults: Faults) -> int:
    """Read a whole number of at least 1; `40_000` is one."""
    single = scalar(node)
    value = plain_value(single.text)
    if not single.plain or isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Wrong(f"{single.text!r} is no whole number of at least 1; write one, as 40_000")
    return value


def size(node: Node, _faults: Faults) -> int:
    """Read a number of bytes with its unit."""
    written = scalar(node).text
    match = _SIZE.fullmatch(written)
    if match is None or int(match[1]) < 1:
        raise Wrong(f"{written!r} is no size; write a number and B, KiB, MiB or GiB, as 32MiB")
    return int(match[1]) * _SIZES[match[2]]


def duration(node: Node, _faults: Faults) -> float:
    """Read a duration with its unit, in seconds, up to a day."""
    written = scalar(node).text
    match = _DURATION.fullmatch(written)
    if match is None:
        raise Wrong(f"{written!r} is no duration; write a number and ms, s, m or h, as 2s")
    seconds = float(match[1]) * _DURATIONS[match[2]]
    if not 0 < seconds <= LONGEST_S:
        raise Wrong(f"{written!r} is not between 0 and a day; choose a duration that is")
    return seconds


def days(node: Node, _faults: Faults) -> float:
    """Read a number of days, as `30d`, in seconds."""
    written = scalar(node).text
    match = _DAYS.fullmatch(written)
    if match is None:
        raise Wrong(f"{written!r} is no number of days; write it as 30d")
    return int(match[1]) * LONGEST_S


def day(node: Node, _faults: Faults) -> date:
    """Read a date."""
    return read_day(scalar(node).text)


def read_day(written: str) -> date:
    """Read a date as ISO 8601 writes it."""
    try:
        return datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise Wrong(f"{written!r} is no date; write it as 2027-01-31") from None


def end_of_day_us(when: date) -> int:
    """Give the first instant after a day, UTC, in microseconds since the epoch."""
    following = datetime(when.year, when.month, when.day, tzinfo=UTC) + timedelta(days=1)
    return int(following.timestamp()) * 1_000_000


def one_of(words: Iterable[E]) -> Callable[[Node, Faults], E]:
    """Make a reader of one of a closed set of words."""
    known = {str(word): word for word in words}

    def read(node: Node, _faults: Faults) -> E:
        written = scalar(node).text
        if written not in known:
            raise Wrong(f"{written!r} is not taken; write {' | '.join(known)}")
        return known[written]

    return read


def name(node: Node, faults: Faults) -> str:
    """Read the name of a tenant, tier, provider or exporter."""
    written = text(node, faults)
    if NAME.fullmatch(written) is None:
        raise Wrong(f"{written!r} is no name; use lower-case letters, digits, '.', '_' and '-'")
    return written


def texts(node: Node, faults: Faults) -> tuple[str, ...]:
    """Read a list of texts, none of them twice."""
    if not isinstance(node, Items):
        raise Wrong("is not a list; write [a, b]")
    found: dict[str, Any] = {}
    for item in node.items:
        take(item, faults, text, found, item.path)
    if len(set(found.values())) < len(found):
        raise Wrong("names something twice; keep one")
    return tuple(found.values())


def listen(node: Node, _faults: Faults) -> Listen:
    """Read the address to listen on."""
    return read_listen(scalar(node).text)


def read_listen(written: str) -> Listen:
    """Read `host:port`; an IPv6 address stands in brackets."""
    host, colon, port = written.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or (":" in bare and not host.startswith("[")):
        raise Wrong(f"{written!r} is no address; write host:port, as 127.0.0.1:8080")
    if not port.isascii() or not port.isdigit() or not 0 <= int(port) <= LAST_PORT:
        raise Wrong(f"{written!r} has no port of 0 to {LAST_PORT}; write it as 127.0.0.1:8080")
    return Listen(bare, int(port))


def url(node: Node, faults: Faults) -> str:
    """Read a base URL: http or https, a host, no password, no query."""
    written = text(node, faults)
    try:
        parts = urlsplit(written)
        _ = parts.port
    except ValueError:
        raise Wrong("is no URL; write it as https://api.example.com/v1") from None
    if parts.username or parts.password:
        raise Wrong("a URL holds no password; remove it and give the key as a reference")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Wrong(f"{written!r} is no URL; write it as https://api.example.com/v1")
    if parts.query or parts.fragment:
        raise Wrong("a base URL has no '?' and no '#'; remove what follows them")
    return written.rstrip("/")


def store(node: Node, faults: Faults) -> str | None:
    """Read where something is kept: by `sqlite` in the state directory, or in a Postgres.

    The message never repeats what was written: there may be a password in it.
    """
    written = text(node, faults)
    if written == "sqlite":
        return None
    if REFERENCE.fullmatch(written):
        return written
    try:
        parts = urlsplit(written)
    except ValueError:
        parts = urlsplit("")
    if parts.password or "password" in parts.query:
        raise Wrong("holds a password; leave it to PGPASSWORD or ~/.pgpass, or write env:NAME")
    if parts.scheme not in ("postgres", "postgresql") or parts.path in ("", "/"):
        raise Wrong("is no store; write sqlite, postgres://user@host/database or env:NAME")
    return written


def archive(node: Node, faults: Faults) -> str:
    """Read which ClickHouse something is kept in. The message never repeats what was written."""
    written = text(node, faults)
    if REFERENCE.fullmatch(written):
        return written
    try:
        parts = urlsplit(written)
    except ValueError:
        parts = urlsplit("")
    if parts.password:
        raise Wrong("holds a password; write the whole URL into a variable, and env:NAME here")
    if parts.scheme not in ("clickhouse", "clickhouses") or parts.path in ("", "/"):
        raise Wrong("is no ClickHouse; write clickhouses://user@host/database or env:NAME")
    return written


def is_private(address: str) -> bool:
    """Whether a URL names this machine or a private address in so many words."""
    host = urlsplit(address).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def reference(node: Node, _faults: Faults) -> str:
    """Read a reference to a secret. The message never repeats what was written."""
    if REFERENCE.fullmatch(scalar(node).text) is None:
        raise Wrong("a secret must be a reference; write env:NAME or file:PATH")
    return scalar(node).text


def reference_or_none(node: Node, faults: Faults) -> str:
    """Read a reference to a secret, or `none`."""
    if scalar(node).text == NO_SECRET:
        return NO_SECRET
    return reference(node, faults)


def redis_url(node: Node, _faults: Faults) -> str:
    """Read the URL of a Redis, or a reference to it: one with a password in it is a secret."""
    written = scalar(node).text
    if REFERENCE.fullmatch(written) is None:
        try:
            parse(written)
        except SettingsInvalid as exc:
            raise Wrong(str(exc)) from None
    return written


def timezone(node: Node, faults: Faults) -> str:
    """Read a time zone by its IANA name."""
    written = text(node, faults)
    try:
        ZoneInfo(written)
    except (ValueError, OSError, LookupError):
        known = nearest(written, available_timezones())
        hint = known if known.startswith("did") else "write an IANA name, as Europe/Rome"
        raise Wrong(f"{written!r} is no time zone; {hint}") from None
    return written

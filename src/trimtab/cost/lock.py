"""The price lock: list prices as reviewed data, one row per line so that a diff can be read.

Numbers are decimal strings; `cost.rates` compiles them. Rows come from `cost.genai`;
prices of one's own belong into `prices.overrides`, so an edited file is refused.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from trimtab.domain.errors import SettingsInvalid

SCHEMA = 1

Price = Annotated[str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$(?!\n)")]
"""USD as plain decimal text, whole nano-USD; never negative."""

Instant = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T00:00:00Z$(?!\n)")]
"""A midnight, UTC: list prices change by the day."""


class Match(Struct, frozen=True, omit_defaults=True):
    """Which models a row prices: these names, and if `dated` these names with a date after them."""

    exact: tuple[str, ...]
    dated: bool = False


class Tier(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Prices in USD per million tokens of requests with more input tokens than `above`."""

    above_input_tokens: Annotated[int, Meta(ge=0)] = 0
    input: Price
    cache_read: Price | None = None
    cache_write_5m: Price | None = None
    cache_write_30m: Price | None = None
    cache_write_1h: Price | None = None
    cache_write_12h: Price | None = None
    output: Price | None = None
    input_audio: Price | None = None
    cache_read_audio: Price | None = None
    output_audio: Price | None = None


class Units(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Prices in USD of things counted one by one."""

    web_search: Price | None = None
    request: Price | None = None


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The prices of some models of one provider, for a span of time and a kind of service.

    Attributes:
        id: `<provider>/<model>`, then `#<first day>` and `?<context>` where there are any.
        start: First instant it holds at; `None` is the beginning of time.
        end: First instant it no longer holds at; `None` is open.
        context: Which kind of service it prices; empty is the ordinary one.
        checked: ISO date at which the source was last read.
    """

    id: str
    match: Match
    start: Instant | None = field(default=None, name="from")
    end: Instant | None = field(default=None, name="to")
    context: dict[str, str] = field(default_factory=dict[str, str])
    checked: str = ""
    usd_per_mtok: Annotated[tuple[Tier, ...], Meta(min_length=1)]
    usd_per_unit: Units = Units()

    @property
    def provider(self) -> str:
        """The provider's name in the price list."""
        return self.id.partition("/")[0]


class Lock(Struct, frozen=True, kw_only=True):
    """A whole price list. `price_version` is a hash of its rows."""

    schema: int
    price_version: str
    source: str
    rows: tuple[Row, ...]


def build_lock(source: str, rows: Iterable[Row]) -> Lock:
    """Make a lock of rows: sorted by id, and named by what is in it."""
    ordered = tuple(sorted(rows, key=lambda row: row.id))
    return Lock(schema=SCHEMA, price_version=_version(ordered), source=source, rows=ordered)


def price_version(*parts: object) -> str:
    """Name a set of prices by its content: `ps_` and 12 hex digits."""
    hashed = sha256()
    for part in parts:
        hashed.update(msgspec.json.encode(part, order="deterministic"))
    return f"ps_{hashed.hexdigest()[:12]}"


def encode_lock(lock: Lock) -> bytes:
    """Write a lock as the file that is committed."""
    head = msgspec.json.encode(
        {"schema": lock.schema, "price_version": lock.price_version, "source": lock.source}
    )
    rows = b",\n".join(msgspec.json.encode(row) for row in lock.rows)
    return head[:-1] + b',"rows":[\n' + rows + b"\n]}\n"


def decode_lock(raw: bytes) -> Lock:
    """Read the file of a lock.

    Raises:
        SettingsInvalid: it is no lock of this schema, or was edited by hand.
    """
    try:
        lock = msgspec.json.decode(raw, type=Lock)
    except msgspec.DecodeError as exc:
        raise SettingsInvalid(
            f"the price lock cannot be read: {exc}; restore the file that came with this version"
        ) from exc
    if lock.schema != SCHEMA:
        raise SettingsInvalid(
            f"the price lock has schema {lock.schema}, not {SCHEMA}; restore the file of this"
            " version"
        )
    if lock.price_version != _version(lock.rows):
        raise SettingsInvalid(
            f"the rows of price lock '{lock.price_version}' were changed by hand; restore the "
            f"file and put prices of your own into `prices.overrides`"
        )
    return lock


def shipped_lock() -> Lock:
    """Read the lock that comes with Trimtab."""
    return decode_lock(files("trimtab.cost").joinpath("prices.lock.json").read_bytes())


def faults(lock: Lock) -> list[str]:
    """Say what is wrong with a lock that can be read; nothing is what its test wants."""
    return [*_repeated_ids(lock), *_bad_tiers(lock), *_bad_spans(lock)]


def _version(rows: Iterable[Row]) -> str:
    """Name rows by their prices: a day at which nothing but `checked` moved is no new version."""
    return price_version([msgspec.structs.replace(row, checked="") for row in rows])


def _repeated_ids(lock: Lock) -> Iterator[str]:
    seen: set[str] = set()
    for row in lock.rows:
        if row.id in seen:
            yield f"row '{row.id}' is there twice"
        seen.add(row.id)


def _bad_tiers(lock: Lock) -> Iterator[str]:
    for row in lock.rows:
        starts = [tier.above_input_tokens for tier in row.usd_per_mtok]
        if starts[0] != 0 or any(later <= earlier for earlier, later in pairwise(starts)):
            yield f"tiers of row '{row.id}' do not rise from 0"


def _bad_spans(lock: Lock) -> Iterator[str]:
    """Rows of one model and context must follow one another without overlap or gap."""
    keys: defaultdict[tuple[str, str, tuple[tuple[str, str], ...]], list[Row]] = defaultdict(list)
    for row in lock.rows:
        for name in row.match.exact:
            keys[row.provider, name, tuple(sorted(row.context.items()))].append(row)
    for (provider, name, _), rows in keys.items():
        rows.sort(key=lambda row: row.start or "")
        for earlier, later in pairwise(rows):
            if earlier.end != later.start:
                fault = "a gap" if (earlier.end or "~") < (later.start or "") else "an overlap"
                yield f"'{provider}/{name}' has {fault} between '{earlier.id}' and '{later.id}'"

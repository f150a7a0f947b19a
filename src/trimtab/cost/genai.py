"""Turns the data of genai-prices into rows of the lock. Loaded by `tools/prices.py` only.

What the lock cannot say is left out, so that its model is unknown and refused: prices by the time
of day, units no answer reports, images and video at a price of their own, names matched by a
pattern. `prices.overrides` can add any of them.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version

import msgspec
from genai_prices import types as source
from genai_prices.data import providers as bundled

from trimtab.cost.lock import Match, Row, Tier, Units

PROVIDERS = (
    "anthropic",
    "cerebras",
    "cohere",
    "deepseek",
    "fireworks",
    "google",
    "groq",
    "mistral",
    "moonshotai",
    "openai",
    "openrouter",
    "perplexity",
    "together",
    "x-ai",
)

_TOKEN_CLASSES = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
    "input_audio_mtok": "input_audio",
    "cache_audio_read_mtok": "cache_read_audio",
    "output_audio_mtok": "output_audio",
}
_UNITS = {"web_searches_kcount": "web_search", "requests_kcount": "request"}
_NEVER_REPORTED = {"storage_searches_kcount"}
_CONTEXTS = {
    ("processing", "batch"): ("batch", "true"),
    ("service_tier", "flex"): ("service_tier", "flex"),
    ("service_tier", "priority"): ("service_tier", "priority"),
    ("service_tier", "fast"): ("service_tier", "fast"),
    ("speed", "fast"): ("speed", "fast"),
}
_SAME_AS_NONE = {("service_tier", "default")}
_INCOMPLETE = {
    # Audio models whose audio the source prices as text, a fraction of what it costs.
    "openai/gpt-4o-audio-preview",
    "openai/gpt-4o-mini-audio-preview",
}
_DATE_PATTERN = re.compile(r"[-@\[\]]*(\\d\{8\}|\\d\{4\}-\\d\{2\}-\\d\{2\})\$$")
_DECIMALS = 9
_START = datetime(2000, 1, 1, tzinfo=UTC)


class _NotClean(Exception):
    """The lock cannot say what the source says of a model."""


def source_name() -> str:
    """Name the source and its release, as the lock cites it."""
    return f"genai-prices {version('genai-prices')}"


def rows(checked: date, providers: Iterable[str] = PROVIDERS) -> list[Row]:
    """Convert the bundled data. `checked` is the day it is read."""
    wanted = set(providers)
    return [
        row
        for provider in bundled
        if provider.id in wanted
        for model in provider.models
        for row in _rows_of(provider, model, checked.isoformat())
    ]


def _rows_of(provider: source.Provider, model: source.ModelInfo, checked: str) -> list[Row]:
    key = f"{provider.id}/{model.id}"
    match = _match(provider, model)
    if match is None or key in _INCOMPLETE:
        return []
    made: list[Row] = []
    try:
        for when in ({}, *_contexts(model)):
            context = dict(_CONTEXTS[pair] for pair in when.items())
            for start, end in _spans(model, when):
                prices = model.get_prices(start or _START, when)
                made.append(
                    Row(
                        id=key + _suffix(start, context),
                        match=match,
                        start=_instant(start),
                        end=_instant(end),
                        context=context,
                        checked=checked,
                        usd_per_mtok=tuple(_tiers(provider.id, prices)),
                        usd_per_unit=_units(prices),
                    )
                )
    except _NotClean:
        return []
    return _joined(made)


def _match(provider: source.Provider, model: source.ModelInfo) -> Match | None:
    exact, dated = set[str](), set[str]()
    _names(model.match, exact, dated)
    exact |= dated | {model.id} | {f"{name}-latest" for name in dated}
    names = sorted(name.lower() for name in exact if _leads_to(provider, name, model))
    if not names:
        return None
    families = [name for name in names if name in dated]
    return Match(
        exact=tuple(names),
        dated=any(_leads_to(provider, f"{name}-20260131", model) for name in families),
    )


def _leads_to(provider: source.Provider, name: str, model: source.ModelInfo) -> bool:
    return provider.find_model(name.lower()) is model


def _names(clause: source.MatchLogic, exact: set[str], dated: set[str]) -> None:
    """Collect the names and the families of dated names that a clause says plainly."""
    match clause:
        case source.ClauseEquals():
            exact.add(clause.equals)
        case source.ClauseStartsWith():
            dated.add(re.sub(r"(-20\d\d|[-@])+$", "", clause.starts_with))
        case source.ClauseRegex() if _DATE_PATTERN.search(clause.regex):
            dated.add(_DATE_PATTERN.sub("", clause.regex).removeprefix("^").replace("\\", ""))
        case source.ClauseOr():
            for part in clause.or_:
                _names(part, exact, dated)
        case _:
            pass


def _contexts(model: source.ModelInfo) -> Iterator[dict[str, str]]:
    """Yield each context with prices of its own, in the source's words.

    Raises:
        _NotClean: a context is not one of ours.
    """
    seen: list[dict[str, str]] = []
    for variant in model.price_variants or ():
        pairs = set(variant.when.items())
        if pairs <= _SAME_AS_NONE and not _prices(variant.prices):
            continue
        if not pairs <= _CONTEXTS.keys():
            raise _NotClean
        if variant.when not in seen:
            seen.append(variant.when)
            yield variant.when


def _spans(
    model: source.ModelInfo, when: dict[str, str]
) -> list[tuple[datetime | None, datetime | None]]:
    """Cut time wherever a price of a context may change. A context begins with its first price."""
    variants = [variant for variant in model.price_variants or () if when and variant.when == when]
    starts = {_begins(variant.constraint) for variant in variants}
    first = min(starts, key=lambda start: start or _START) if when else None
    if not isinstance(model.prices, source.ModelPrice):
        starts |= {_begins(price.constraint) for price in model.prices}
    cuts = sorted(start for start in starts if start and (first is None or start > first))
    return list(zip([first, *cuts], [*cuts, None], strict=True))


def _begins(
    constraint: source.StartDateConstraint | source.TimeOfDateConstraint | None,
) -> datetime | None:
    match constraint:
        case None:
            return None
        case source.StartDateConstraint():
            return datetime.combine(constraint.start_date, time(), tzinfo=UTC)
        case source.TimeOfDateConstraint():
            raise _NotClean


def _tiers(provider: str, prices: source.ModelPrice) -> Iterator[Tier]:
    classes = {
        _token_class(provider, name): price
        for name, price in _prices(prices).items()
        if name not in _UNITS and name not in _NEVER_REPORTED
    }
    if "input" not in classes:
        raise _NotClean
    starts = {
        tier.start
        for price in classes.values()
        if isinstance(price, source.TieredPrices)
        for tier in price.tiers
    }
    for start in sorted({0, *starts}):
        texts = {name: _text(_price_above(price, start)) for name, price in classes.items()}
        yield msgspec.convert({"above_input_tokens": start, **texts}, Tier)


def _token_class(provider: str, name: str) -> str:
    if name == "cache_write_mtok":
        # OpenAI keeps what it writes for 30 minutes; everybody else speaks of 5.
        return "cache_write_30m" if provider == "openai" else "cache_write_5m"
    if name not in _TOKEN_CLASSES:
        raise _NotClean
    return _TOKEN_CLASSES[name]


def _units(prices: source.ModelPrice) -> Units:
    texts: dict[str, str] = {}
    for name, price in _prices(prices).items():
        if name in _UNITS:
            if isinstance(price, source.TieredPrices):
                raise _NotClean
            texts[_UNITS[name]] = _text(price / 1000)
    return msgspec.convert(texts, Units)


def _prices(prices: source.ModelPrice) -> dict[str, Decimal | source.TieredPrices]:
    return {name: price for name, price in vars(prices).items() if price is not None}


def _price_above(price: Decimal | source.TieredPrices, start: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in price.tiers if tier.start <= start]
    return reached[-1] if reached else price.base


def _text(price: Decimal) -> str:
    if price < 0 or price != round(price, _DECIMALS):
        raise _NotClean
    text = f"{price:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _suffix(start: datetime | None, context: dict[str, str]) -> str:
    day = f"#{start.date().isoformat()}" if start else ""
    return day + "".join(f"?{key}={value}" for key, value in context.items())


def _instant(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else None


def _joined(rows: Iterable[Row]) -> list[Row]:
    """Join neighbours in time that have the same prices."""
    joined: list[Row] = []
    for row in rows:
        if joined and _same_prices(joined[-1], row):
            joined[-1] = msgspec.structs.replace(joined[-1], end=row.end)
        else:
            joined.append(row)
    return joined


def _same_prices(earlier: Row, later: Row) -> bool:
    return earlier.end == later.start and (
        (earlier.context, earlier.usd_per_mtok, earlier.usd_per_unit)
        == (later.context, later.usd_per_mtok, later.usd_per_unit)
    )

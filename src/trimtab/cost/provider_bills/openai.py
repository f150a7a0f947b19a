"""OpenAI's usage and costs: https://platform.openai.com/docs/api-reference/usage.

A dimension that is not grouped by is null. Costs are dollars as JSON floats, and they are what is
invoiced; a cost names model and kind of token in its line item, `gpt-5-2025-08-07, cached input`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Generic, TypeVar

from msgspec import Raw, Struct

from trimtab.cost.provider_bills.pages import (
    Fetch,
    Page,
    Query,
    Span,
    buckets,
    read_amount,
)
from trimtab.cost.reconcile.statement import Charged, Statement, TokenClass, Used

COSTS = "/v1/organization/costs"
USAGE = ("/v1/organization/usage/completions", "/v1/organization/usage/embeddings")
USAGE_DAYS, COST_DAYS = "31", "180"
DEFAULT_ACCOUNT = "default"

_ITEMS: Mapping[str, TokenClass] = {
    "input": TokenClass.INPUT,
    "cached input": TokenClass.CACHED,
    "cache write 30m": TokenClass.WRITE_30M,
    "cache write 12h": TokenClass.WRITE_12H,
    "output": TokenClass.OUTPUT,
}

R = TypeVar("R")


class UsageResult(Struct, frozen=True):
    """Tokens of a group; `input_tokens` includes cached and written ones."""

    input_tokens: int = 0
    input_cached_tokens: int = 0
    input_cache_write_tokens: int = 0
    input_cache_write_30m_tokens: int = 0
    input_cache_write_12h_tokens: int = 0
    output_tokens: int = 0
    project_id: str | None = None
    api_key_id: str | None = None
    model: str | None = None


class Amount(Struct, frozen=True):
    """Money; the value as it was written."""

    value: Raw = Raw(b"0")
    currency: str = "usd"


class CostResult(Struct, frozen=True):
    """Money of a group."""

    amount: Amount = Amount()
    line_item: str | None = None
    project_id: str | None = None
    api_key_id: str | None = None


class Bucket(Struct, Generic[R], frozen=True):
    """One day."""

    start_time: int
    end_time: int
    results: tuple[R, ...]


def headers(admin_key: str) -> tuple[tuple[str, str], ...]:
    """Show the admin key."""
    return (("authorization", f"Bearer {admin_key}"),)


async def read(fetch: Fetch, span: Span) -> Statement:
    """Read usage and costs of some days.

    Raises:
        FetchIncomplete: something is missing, or cannot be read.
    """
    used: list[Used] = []
    for path in USAGE:
        query = _query(span, USAGE_DAYS, ("project_id", "api_key_id", "model"))
        async for bucket in buckets(fetch, path, query, Page[Bucket[UsageResult]], span, _ends):
            used += [it for result in bucket.results for it in _used(bucket.start_time, result)]
    charged: list[Charged] = []
    oddities: set[str] = set()
    query = _query(span, COST_DAYS, ("project_id", "line_item", "api_key_id"))
    async for day in buckets(fetch, COSTS, query, Page[Bucket[CostResult]], span, _ends):
        charged += [_charged(day.start_time, it, oddities) for it in day.results]
    return Statement(
        provider=fetch.desk.provider,
        used=tuple(used),
        charged=tuple(charged),
        oddities=tuple(sorted(oddities)),
    )


def _ends(bucket: Bucket[R]) -> tuple[int, int]:
    return bucket.start_time, bucket.end_time


def _query(span: Span, limit: str, groups: tuple[str, ...]) -> Query:
    return [
        ("start_time", str(span.start_s)),
        ("end_time", str(span.end_s)),
        ("bucket_width", "1d"),
        *(("group_by", it) for it in groups),
        ("limit", limit),
    ]


def _used(start_s: int, result: UsageResult) -> list[Used]:
    written = result.input_cache_write_30m_tokens + result.input_cache_write_12h_tokens
    # Writes of an unknown lifetime are the ordinary ones.
    rest = max(0, result.input_cache_write_tokens - written)
    fresh = result.input_tokens - result.input_cached_tokens - written - rest
    counts = {
        TokenClass.INPUT: fresh,
        TokenClass.CACHED: result.input_cached_tokens,
        TokenClass.WRITE_30M: result.input_cache_write_30m_tokens + rest,
        TokenClass.WRITE_12H: result.input_cache_write_12h_tokens,
        TokenClass.OUTPUT: result.output_tokens,
    }
    return [
        Used(
            day=_day(start_s),
            account=result.project_id or DEFAULT_ACCOUNT,
            key_id=result.api_key_id,
            model=result.model or "",
            token_class=kind,
            tokens=count,
        )
        for kind, count in counts.items()
        if count
    ]


def _charged(start_s: int, result: CostResult, oddities: set[str]) -> Charged:
    nano, is_text = read_amount(COSTS, bytes(result.amount.value))
    if is_text:
        oddities.add("amounts came as text, where numbers of dollars are documented")
    if result.amount.currency.lower() != "usd":
        oddities.add(f"amounts are in {result.amount.currency[:8]!r}")
    model, _, item = (result.line_item or "").rpartition(", ")
    return Charged(
        day=_day(start_s),
        account=result.project_id or DEFAULT_ACCOUNT,
        key_id=result.api_key_id,
        model=model,
        token_class=_ITEMS.get(item.lower(), TokenClass.OTHER),
        nano=nano,
    )


def _day(start_s: int) -> str:
    return datetime.fromtimestamp(start_s, UTC).date().isoformat()

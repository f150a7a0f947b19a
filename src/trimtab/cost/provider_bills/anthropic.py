"""Anthropic's usage and cost reports: https://platform.claude.com/docs/en/api/admin-api.

Amounts are text in cents. Costs know workspaces and no keys. The default workspace is null. The
priority tier never appears in costs, code execution appears there alone.
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

USAGE = "/v1/organizations/usage_report/messages"
COSTS = "/v1/organizations/cost_report"
VERSION = "2023-06-01"
DAYS_A_PAGE = "31"
DEFAULT_ACCOUNT = "default"

_NANO_PER_CENT = 10_000_000
_TYPES: Mapping[str, TokenClass] = {
    "uncached_input_tokens": TokenClass.INPUT,
    "cache_read_input_tokens": TokenClass.CACHED,
    "cache_creation.ephemeral_5m_input_tokens": TokenClass.WRITE_5M,
    "cache_creation.ephemeral_1h_input_tokens": TokenClass.WRITE_1H,
    "output_tokens": TokenClass.OUTPUT,
}

R = TypeVar("R")


class CacheCreation(Struct, frozen=True):
    """Tokens that were written into a cache, by how long they stay."""

    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class UsageResult(Struct, frozen=True):
    """Tokens of a group."""

    uncached_input_tokens: int = 0
    cache_creation: CacheCreation = CacheCreation()
    cache_read_input_tokens: int = 0
    output_tokens: int = 0
    workspace_id: str | None = None
    api_key_id: str | None = None
    model: str | None = None


class CostResult(Struct, frozen=True):
    """Money of a group; the amount as it was written."""

    amount: Raw = Raw(b'"0"')
    currency: str = "USD"
    workspace_id: str | None = None
    model: str | None = None
    token_type: str | None = None


class Bucket(Struct, Generic[R], frozen=True):
    """One day."""

    starting_at: datetime
    ending_at: datetime
    results: tuple[R, ...]


def headers(admin_key: str) -> tuple[tuple[str, str], ...]:
    """Show the admin key."""
    return (("x-api-key", admin_key), ("anthropic-version", VERSION))


async def read(fetch: Fetch, span: Span) -> Statement:
    """Read usage and costs of some days.

    Raises:
        FetchIncomplete: something is missing, or cannot be read.
    """
    used: list[Used] = []
    query = _query(span, ("workspace_id", "api_key_id", "model"))
    async for bucket in buckets(fetch, USAGE, query, Page[Bucket[UsageResult]], span, _ends):
        used += [it for result in bucket.results for it in _used(bucket.starting_at, result)]
    charged: list[Charged] = []
    oddities: set[str] = set()
    query = _query(span, ("workspace_id", "description"))
    async for day in buckets(fetch, COSTS, query, Page[Bucket[CostResult]], span, _ends):
        charged += [_charged(day.starting_at, it, oddities) for it in day.results]
    return Statement(
        provider=fetch.desk.provider,
        used=tuple(used),
        charged=tuple(charged),
        oddities=tuple(sorted(oddities)),
    )


def _ends(bucket: Bucket[R]) -> tuple[int, int]:
    return int(bucket.starting_at.timestamp()), int(bucket.ending_at.timestamp())


def _query(span: Span, groups: tuple[str, ...]) -> Query:
    return [
        ("starting_at", _instant(span.start_s)),
        ("ending_at", _instant(span.end_s)),
        ("bucket_width", "1d"),
        *(("group_by[]", it) for it in groups),
        ("limit", DAYS_A_PAGE),
    ]


def _used(start: datetime, result: UsageResult) -> list[Used]:
    counts = {
        TokenClass.INPUT: result.uncached_input_tokens,
        TokenClass.CACHED: result.cache_read_input_tokens,
        TokenClass.WRITE_5M: result.cache_creation.ephemeral_5m_input_tokens,
        TokenClass.WRITE_1H: result.cache_creation.ephemeral_1h_input_tokens,
        TokenClass.OUTPUT: result.output_tokens,
    }
    return [
        Used(
            day=_day(start),
            account=result.workspace_id or DEFAULT_ACCOUNT,
            key_id=result.api_key_id,
            model=result.model or "",
            token_class=kind,
            tokens=count,
        )
        for kind, count in counts.items()
        if count
    ]


def _charged(start: datetime, result: CostResult, oddities: set[str]) -> Charged:
    nano, is_text = read_amount(COSTS, bytes(result.amount), _NANO_PER_CENT)
    if not is_text:
        oddities.add("amounts came as numbers, where text of cents is documented")
    if result.currency.upper() != "USD":
        oddities.add(f"amounts are in {result.currency[:8]!r}")
    return Charged(
        day=_day(start),
        account=result.workspace_id or DEFAULT_ACCOUNT,
        key_id=None,
        model=result.model or "",
        token_class=_TYPES.get(result.token_type or "", TokenClass.OTHER),
        nano=nano,
    )


def _instant(instant_s: int) -> str:
    return datetime.fromtimestamp(instant_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(start: datetime) -> str:
    return start.astimezone(UTC).date().isoformat()

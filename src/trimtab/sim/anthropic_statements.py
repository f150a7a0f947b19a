"""Anthropic's usage and cost reports, in the shapes of platform.claude.com's Admin API."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from trimtab.sim.request import Refused
from trimtab.sim.statements import (
    LIMITS,
    WIDTHS,
    Asked,
    Bucket,
    Page,
    Row,
    Statements,
    grouped,
    project_of,
    read_limit,
    summed,
)

ROOT = "/v1/organizations/"
ROUTES = (f"{ROOT}usage_report/messages", f"{ROOT}cost_report")
ADMIN_KEY = "sk-ant-admin"
"""What an admin key begins with."""

_USAGE_GROUPS = {
    *("api_key_id", "workspace_id", "model", "service_tier", "context_window"),
    *("inference_geo", "speed"),
}
_COST_GROUPS = {"workspace_id", "description"}
_TYPES = (
    ("uncached_input_tokens", "Input Tokens"),
    ("cache_read_input_tokens", "Input Tokens, Cache Hit"),
    ("cache_creation.ephemeral_5m_input_tokens", "Input Tokens, Cache Write, 5m"),
    ("cache_creation.ephemeral_1h_input_tokens", "Input Tokens, Cache Write, 1h"),
    ("output_tokens", "Output Tokens"),
)
_NANO_PER_CENT = 10**7


def report(statements: Statements, path: str, query: bytes, account: str) -> dict[str, Any]:
    """Answer one call.

    Raises:
        Refused: no admin key was shown, or the call cannot be answered.
    """
    if not account.startswith(ADMIN_KEY):
        raise Refused(401, "invalid x-api-key: this route takes an admin key")
    given = parse_qs(query.decode("latin-1"))
    if path not in ROUTES:
        raise Refused(404, "Not found")
    if path == ROUTES[0]:
        asked = _asked(given, _USAGE_GROUPS, statements.clock())
        page = statements.page(asked, {"messages"}, is_usage=True)
        return _told(page, lambda it: _usage(it, asked.group_by))
    if given.get("bucket_width", ["1d"])[0] != "1d":
        raise Refused(400, "bucket_width: only 1d is supported")
    asked = _asked(given, _COST_GROUPS, statements.clock())
    page = statements.page(asked, {"messages"}, is_usage=False)
    return _told(page, lambda it: _costs(it, asked.group_by, statements))


def _asked(given: dict[str, list[str]], groups: set[str], now_s: float) -> Asked:
    width = given.get("bucket_width", ["1d"])[0]
    group_by = frozenset(given.get("group_by[]", []))
    if width not in WIDTHS:
        raise Refused(400, f"bucket_width: '{width}' is not one of 1m, 1h, 1d")
    if not group_by <= groups:
        raise Refused(400, f"group_by: takes {', '.join(sorted(groups))}")
    start = given.get("starting_at", [""])[0]
    end = given.get("ending_at", [_written(int(now_s) + 1)])[0]
    limit = read_limit(given.get("limit", [None])[0], *LIMITS[width])
    page = given.get("page", [None])[0]
    return Asked(_read(start), _read(end), WIDTHS[width], limit, group_by, page)


def _read(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        raise Refused(400, f"'{text}' is no RFC 3339 instant") from None


def _written(instant_s: int) -> str:
    return datetime.fromtimestamp(instant_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _usage(bucket: Bucket, group_by: frozenset[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for rows in grouped(bucket.rows, lambda it: tuple(_whose(it, group_by).values())):
        row = summed(rows)
        usage = row.usage
        found.append(
            {
                "uncached_input_tokens": usage.input,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": usage.write_5m,
                    "ephemeral_1h_input_tokens": usage.write_1h,
                },
                "cache_read_input_tokens": usage.cached,
                "output_tokens": usage.output,
                "server_tool_use": {"web_search_requests": 0},
                **_whose(row, group_by),
            }
        )
    return found


def _whose(row: Row, group_by: frozenset[str]) -> dict[str, str | None]:
    told = {
        "api_key_id": f"apikey_{row.account.replace(':', '_')}",
        "workspace_id": _workspace(row),
        "model": row.model,
        "service_tier": "standard",
        "context_window": "0-200k",
        "inference_geo": "not_available",
        "speed": "standard",
    }
    return {name: value if name in group_by else None for name, value in told.items()}


def _workspace(row: Row) -> str | None:
    """The default workspace has no name."""
    project = project_of(row.account)
    return None if project is None else f"wrkspc_{project}"


def _costs(
    bucket: Bucket, group_by: frozenset[str], statements: Statements
) -> list[dict[str, Any]]:
    faults = statements.board.faults
    by_workspace, by_item = "workspace_id" in group_by, "description" in group_by

    def told(row: Row, nano: int, kind: tuple[str, str] | None) -> dict[str, Any]:
        # The fault is the other provider's unit: dollars.
        amount = Decimal(nano) / _NANO_PER_CENT / (100 if faults.cents else 1)
        token_type, described = kind or (None, None)
        return {
            "currency": "USD",
            "amount": float(amount) if faults.string else format(amount.normalize(), "f"),
            "workspace_id": _workspace(row) if by_workspace else None,
            "description": described and f"{row.model} Usage - {described}",
            "cost_type": kind and "tokens",
            "context_window": kind and "0-200k",
            "model": kind and row.model,
            "service_tier": kind and "standard",
            "token_type": token_type,
        }

    found: list[dict[str, Any]] = []
    for rows in grouped(
        bucket.rows,
        lambda it: (_workspace(it) if by_workspace else None, it.model if by_item else None),
    ):
        row = summed(rows)
        if not by_item:
            found.append(told(row, sum(row.costs), None))
            continue
        tokens = (*row.usage[:4], row.usage.output)
        found += [
            told(row, nano, kind)
            for nano, count, kind in zip(row.costs, tokens, _TYPES, strict=True)
            if nano or count
        ]
    return found


def _told(page: Page, results: Callable[[Bucket], list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "data": [
            {
                "starting_at": _written(it.start_s),
                "ending_at": _written(it.end_s),
                "results": results(it),
            }
            for it in page.buckets
        ],
        "has_more": page.has_more,
        "next_page": page.next_page,
    }

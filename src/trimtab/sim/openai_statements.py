"""OpenAI's usage and costs of an organization, in the shapes of openai/openai-openapi."""

from collections.abc import Callable
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

ROOT = "/v1/organization/"
ROUTES = (f"{ROOT}usage/completions", f"{ROOT}usage/embeddings", f"{ROOT}costs")
ADMIN_KEY = "sk-admin"
"""What an admin key begins with."""

_MOST_COST_DAYS = 180
_USAGE = {"completions", "embeddings"}
_USAGE_GROUPS = {"project_id", "user_id", "api_key_id", "model", "batch", "service_tier"}
_COST_GROUPS = {"project_id", "line_item", "api_key_id"}
_ITEMS = ("input", "cached input", "cache write 30m", "cache write 12h", "output")
_NANO = 10**9


def report(statements: Statements, path: str, query: bytes, account: str) -> dict[str, Any]:
    """Answer one call.

    Raises:
        Refused: no admin key was shown, or the call cannot be answered.
    """
    if not account.startswith(ADMIN_KEY):
        raise Refused(401, "Incorrect API key provided; this route takes an admin key.")
    if path not in ROUTES:
        raise Refused(404, f"Invalid URL (GET {path})")
    given = parse_qs(query.decode("latin-1"))
    if path == f"{ROOT}costs":
        return _costs(statements, _asked(given, _COST_GROUPS, statements.clock(), of_costs=True))
    kind = path.removeprefix(f"{ROOT}usage/")
    asked = _asked(given, _USAGE_GROUPS, statements.clock(), of_costs=False)
    page = statements.page(asked, {kind}, is_usage=True)
    return _told(page, lambda it: _usage_results(it, kind, asked.group_by))


def _asked(given: dict[str, list[str]], groups: set[str], now_s: float, *, of_costs: bool) -> Asked:
    width = given.get("bucket_width", ["1d"])[0]
    start = given.get("start_time", [""])[0]
    end = given.get("end_time", [str(int(now_s) + 1)])[0]
    group_by = _listed(given, "group_by")
    if width not in WIDTHS or (of_costs and width != "1d"):
        raise Refused(400, f"bucket_width cannot be '{width}'", param="bucket_width")
    if not start.isdigit() or not end.isdigit():
        raise Refused(400, "start_time and end_time are Unix seconds", param="start_time")
    if not group_by <= groups:
        raise Refused(400, f"group_by takes {', '.join(sorted(groups))}", param="group_by")
    default, most = LIMITS[width]
    limit = read_limit(
        given.get("limit", [None])[0], default, _MOST_COST_DAYS if of_costs else most
    )
    page = given.get("page", [None])[0]
    return Asked(int(start), int(end), WIDTHS[width], limit, group_by, page)


def _listed(given: dict[str, list[str]], name: str) -> frozenset[str]:
    """Read a list as this API takes it: said again and again, with or without `[]`."""
    found = given.get(name, []) + given.get(f"{name}[]", [])
    return frozenset(part for it in found for part in it.split(",") if part)


def _costs(statements: Statements, asked: Asked) -> dict[str, Any]:
    page = statements.page(asked, _USAGE, is_usage=False)
    faults = statements.board.faults
    scale = 100 if faults.cents else 1

    def told(row: Row, item: str | None, nano: int, tokens: int) -> dict[str, Any]:
        value = nano * scale / _NANO
        return {
            "object": "organization.costs.result",
            "amount": {"value": str(value) if faults.string else value, "currency": "usd"},
            "line_item": item,
            "quantity": None if item is None else tokens,
            "quantity_unit": None if item is None else "tokens",
            **_whose(row, asked.group_by),
        }

    def results(bucket: Bucket) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        by_item = "line_item" in asked.group_by
        for rows in grouped(
            bucket.rows,
            lambda it: (*_whose(it, asked.group_by).values(), it.model if by_item else None),
        ):
            row = summed(rows)
            if not by_item:
                found.append(told(row, None, sum(row.costs), 0))
                continue
            tokens = (*row.usage[:4], row.usage.output)
            found += [
                told(row, f"{row.model}, {item}", nano, count)
                for item, nano, count in zip(_ITEMS, row.costs, tokens, strict=True)
                if nano or count
            ]
        return found

    return _told(page, results)


def _usage_results(bucket: Bucket, kind: str, group_by: frozenset[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    by_model = "model" in group_by
    for rows in grouped(
        bucket.rows,
        lambda it: (*_whose(it, group_by).values(), it.model if by_model else None),
    ):
        row = summed(rows)
        common = {
            "object": f"organization.usage.{kind}.result",
            "input_tokens": row.usage.prompt,
            "num_model_requests": row.calls,
            "user_id": None,
            "model": row.model if by_model else None,
            **_whose(row, group_by),
        }
        found.append(common if kind == "embeddings" else {**common, **_written(row, group_by)})
    return found


def _written(row: Row, group_by: frozenset[str]) -> dict[str, Any]:
    usage = row.usage
    return {
        "output_tokens": usage.output,
        "input_cached_tokens": usage.cached,
        "input_uncached_tokens": usage.input,
        "input_cache_write_tokens": usage.write_5m + usage.write_1h,
        "input_cache_write_30m_tokens": usage.write_5m,
        "input_cache_write_12h_tokens": usage.write_1h,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
        "batch": False if "batch" in group_by else None,
        "service_tier": "default" if "service_tier" in group_by else None,
    }


def _whose(row: Row, group_by: frozenset[str]) -> dict[str, str | None]:
    key = f"key_{row.account.replace(':', '_')}"
    return {
        "project_id": f"proj_{project_of(row.account) or 'sim'}"
        if "project_id" in group_by
        else None,
        "api_key_id": key if "api_key_id" in group_by else None,
    }


def _told(page: Page, results: Callable[[Bucket], list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": it.start_s,
                "end_time": it.end_s,
                "results": results(it),
            }
            for it in page.buckets
        ],
        "has_more": page.has_more,
        "next_page": page.next_page,
    }

"""`trimtab costs`: what did a tenant cost, exactly, from the rollups."""

import asyncio
import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.output import print_json, print_table
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.money import usd_text
from trimtab.store.base import CostRow

GROUPS = (
    *(
        "tenant_id",
        "feature",
        "model",
        "provider",
        "key_id",
        "prompt_name",
        "prompt_version",
        "day",
    ),
)
_FIGURES = (
    *("requests", "input_tokens", "cached_tokens", "output_tokens", "cost_nano", "cost_usd"),
    "unpriced_requests",
)


@click.command()
@click.option("--tenant", help="Only this tenant.")
@click.option("--month", help="A month, as 2026-10; this month by default.")
@click.option("--from", "first", help="First day, as 2026-10-01, instead of a month.")
@click.option("--to", "last", help="Last day; today by default.")
@click.option("--by", default="feature,model", show_default=True, help=f"Of: {', '.join(GROUPS)}.")
@click.option("--home", type=click.Path(path_type=Path), help="State directory.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
# one parameter an option
def command(  # noqa: PLR0913
    tenant: str | None,
    month: str | None,
    first: str | None,
    last: str | None,
    by: str,
    home: Path | None,
    *,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show what live traffic cost, dearest first, exact to the nano-dollar.

    Of one tenant days and months are those of its time zone, of all of them UTC's.

    Example: trimtab costs --tenant acme --month 2026-10 --by feature,model
    """
    groups = [name.strip() for name in by.split(",")]
    unknown = [name for name in groups if name not in GROUPS]
    if unknown:
        raise SettingsInvalid(f"cannot group by {unknown[0]!r}; choose of {', '.join(GROUPS)}")
    since_us, until_us = _span(month, first, last)
    records = wiring.records(wiring.home(home))
    rows = asyncio.run(
        records.costs(since_us=since_us, until_us=until_us, group_by=groups, tenant_id=tenant)
    )
    if as_json:
        print_json(_document(groups, rows, since_us, until_us, tenant))
    elif as_csv:
        _print_csv(groups, rows)
    else:
        _print(groups, rows)


def _span(month: str | None, first: str | None, last: str | None) -> tuple[int, int]:
    """Give the first instant of a span and the first after it, UTC, in microseconds."""
    if first is None and last is None:
        return _month(month)
    if month is not None or first is None:
        raise SettingsInvalid("give --month, or --from and perhaps --to")
    begins, ends = _day(first), wiring.now() if last is None else _day(last)
    after = ends.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    if after <= begins:
        raise SettingsInvalid(f"{last!r} is before {first!r}; the first day comes first")
    return round(begins.timestamp()) * 1_000_000, round(after.timestamp()) * 1_000_000


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as exc:
        raise SettingsInvalid(f"day {text!r} cannot be read; write it as 2026-10-01") from exc


def _month(text: str | None) -> tuple[int, int]:
    """Give the first instants of a month and of the next, UTC, in microseconds."""
    try:
        first = (
            datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
            if text
            else wiring.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        )
    except ValueError as exc:
        raise SettingsInvalid(f"month {text!r} cannot be read; write it as 2026-10") from exc
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return round(first.timestamp()) * 1_000_000, round(following.timestamp()) * 1_000_000


def _document(
    groups: list[str], rows: tuple[CostRow, ...], since_us: int, until_us: int, tenant: str | None
) -> dict[str, object]:
    return {
        "tenant": tenant,
        "since_us": since_us,
        "until_us": until_us,
        "cost_nano": sum(row.cost_nano for row in rows),
        "cost_usd": usd_text(sum(row.cost_nano for row in rows)),
        "requests": sum(row.n for row in rows),
        "unpriced_requests": sum(row.n_unpriced for row in rows),
        "estimated_requests": sum(row.n_estimated for row in rows),
        "rows": [_members(groups, row) for row in rows],
    }


def _members(groups: list[str], row: CostRow) -> dict[str, object]:
    return {
        **dict(zip(groups, row.group, strict=True)),
        "requests": row.n,
        "input_tokens": row.input_tokens,
        "cached_tokens": row.cached_tokens,
        "output_tokens": row.output_tokens,
        "cost_nano": row.cost_nano,
        "cost_usd": usd_text(row.cost_nano),
        "unpriced_requests": row.n_unpriced,
    }


def _print_csv(groups: list[str], rows: tuple[CostRow, ...]) -> None:
    text = StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow([*groups, *_FIGURES])
    for row in rows:
        out.writerow([_cell(it) for it in _members(groups, row).values()])
    click.echo(text.getvalue(), nl=False)


def _cell(value: object) -> object:
    """Keep a spreadsheet from taking a text for a formula."""
    is_formula = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t")
    return f"'{value}" if is_formula else value


def _print(groups: list[str], rows: tuple[CostRow, ...]) -> None:
    total = sum(row.cost_nano for row in rows)
    table = [
        [
            *row.group,
            f"{row.n:,}",
            f"{row.input_tokens:,}",
            f"{row.cached_tokens:,}",
            f"{row.output_tokens:,}",
            usd_text(row.cost_nano),
            f"{100 * row.cost_nano / total:.0f} %" if total else "-",
        ]
        for row in rows
    ]
    head = [*groups, "requests", "input tok", "cached tok", "output tok", "USD", "share"]
    print_table(head, table)
    estimated, unpriced = sum(row.n_estimated for row in rows), sum(row.n_unpriced for row in rows)
    click.echo(
        f"total {usd_text(total)} USD, {sum(row.n for row in rows):,} requests;"
        f" {estimated} estimated, {unpriced} without a price"
    )

"""`trimtab reconcile`: the ledger against what providers bill, and booking what they know alone."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import msgspec

from trimtab import wiring
from trimtab.cli.options import common_options, config_option
from trimtab.cli.output import author, print_json, print_table
from trimtab.cost.reconcile.report import Finding, Report, gathered
from trimtab.domain.change import Source
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.money import cents_text, usd_text
from trimtab.wiring.reconcile import accept, reconcile_now

NEEDS_ACTION, COULD_NOT_FETCH = 1, 4

_HEAD = (
    *("day", "provider", "account", "model", "ours USD", "theirs USD", "difference", "class"),
    "evidence",
)


@click.command()
@click.option("--day", help="A UTC day, as 2026-11-22, or `today`; yesterday by default.")
@click.option("--month", help="All days of a month that are over, as 2026-10.")
@click.option("--provider", help="Only this provider.")
@click.option("--accept", "accepted", metavar="ID", help="Book a line that was proposed.")
@click.option("--reason", help="Why it is accepted, for the change log.")
@config_option
@common_options
def command(
    day: str | None,
    month: str | None,
    provider: str | None,
    accepted: str | None,
    reason: str | None,
    config: Path | None,
    home: Path,
    *,
    as_json: bool,
) -> None:
    """Compare the ledger with the bills of providers, tokens first, then money.

    Exits 1 if a person has to do something, and 4 if a bill could not be fetched whole.

    Example: trimtab reconcile --day 2026-11-22
    """
    if accepted is not None:
        _accept(home, accepted, reason, as_json=as_json)
        return
    settings = wiring.load_settings(config)
    report = asyncio.run(reconcile_now(home, settings, _days(day, month), provider))
    if as_json:
        print_json(_document(report))
    else:
        _print(report)
    raise SystemExit(_exit_code(report))


def _accept(home: Path, adjustment_id: str, reason: str | None, *, as_json: bool) -> None:
    if reason is None:
        raise SettingsInvalid("what is accepted needs a reason; add --reason '...'")
    booked, change = asyncio.run(
        accept(home, adjustment_id, reason=reason, author=author(), source=Source.CLI)
    )
    if as_json:
        print_json({"adjustment": booked, "change": None if change is None else change.seq})
        return
    done = "was booked before" if change is None else f"booked   change {change.seq}"
    where = f"{booked.provider} {booked.account} {booked.model} on {booked.day}"
    click.echo(f"{usd_text(booked.cost_nano)} USD for {where} {done}")


def _days(day: str | None, month: str | None) -> list[str]:
    today = wiring.now().date()
    if day is not None and month is not None:
        raise SettingsInvalid("a day or a month; leave one of --day and --month out")
    if month is None:
        near = {None: today - timedelta(days=1), "today": today}
        found = near.get(day) or _date(day or "", "%Y-%m-%d", "2026-11-22")
        if found > today:
            raise SettingsInvalid(f"{found} is not here yet; choose a day that is")
        return [found.isoformat()]
    first = _date(month, "%Y-%m", "2026-10")
    days = [first + timedelta(days=n) for n in range(31)]
    over = [it.isoformat() for it in days if it.month == first.month and it < today]
    if not over:
        raise SettingsInvalid(f"no day of {month} is over yet; choose another month")
    return over


def _date(text: str, form: str, example: str) -> date:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC).date()
    except ValueError as exc:
        raise SettingsInvalid(f"{text!r} cannot be read; write it as {example}") from exc


def _exit_code(report: Report) -> int:
    if not report.is_complete:
        return COULD_NOT_FETCH
    return NEEDS_ACTION if report.needing_action else 0


def _document(report: Report) -> dict[str, object]:
    return {
        **msgspec.to_builtins(report),
        "unattributed_nano": report.unattributed_nano,
        "needs_action": list(report.needing_action),
        "exit_code": _exit_code(report),
    }


def _print(report: Report) -> None:
    rows = [_row(found) for found in gathered(report.findings)]
    # One day is named once, at the end.
    first = 0 if len(report.days) > 1 else 1
    print_table(_HEAD[first:], [row[first:] for row in rows], empty="nothing was billed")
    for adjustment in report.adjustments():
        click.echo(
            f"{usd_text(adjustment.cost_nano)} USD can be booked:"
            f" trimtab reconcile --accept {adjustment.id} --reason '...'"
        )
    for finding in report.findings:
        if finding.prices:
            click.echo(
                f"price of {finding.provider}/{finding.model}: check the provider's list, then"
                " change the price and reprice"
            )
    click.echo(f"unattributed {cents_text(report.unattributed_nano)} USD. {_verdict(report)}")


def _row(group: Sequence[Finding]) -> list[str]:
    first, *more = group
    difference = sum(it.difference_nano for it in group)
    return [
        first.day,
        first.provider,
        first.account,
        f"{len(group)} models" if more else first.model,
        cents_text(sum(it.ours_nano for it in group)),
        cents_text(sum(it.theirs_nano for it in group)),
        f"{'+' if difference > 0 else ''}{cents_text(difference)}",
        first.kind,
        first.evidence,
    ]


def _verdict(report: Report) -> str:
    code = _exit_code(report)
    if code == COULD_NOT_FETCH:
        return "Exit 4: a bill could not be fetched whole, and was not compared."
    if code == NEEDS_ACTION:
        kinds = report.needing_action
        need = "class needs" if len(kinds) == 1 else "classes need"
        return f"Exit 1: {len(kinds)} {need} action ({', '.join(kinds)})."
    return f"{', '.join(report.days[:1])}{' and later' if len(report.days) > 1 else ''} is clean."

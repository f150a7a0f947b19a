"""`trimtab alerts`: what is wrong with spending, and whether people hear of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import Span, common_options, config_option, json_option, limit_option
from trimtab.cli.output import author, instant, print_json, print_table
from trimtab.domain.alert import Alert, Finding, Notice, Silence
from trimtab.domain.errors import NotFound, SettingsInvalid
from trimtab.jobs.message import document
from trimtab.jobs.replay import Replay
from trimtab.wiring.alerts import alert_store, has_alerts, spend, terms, try_route

LONGEST_S = 7 * 86_400.0
MOST_DAYS = 400


@click.group()
def command() -> None:
    """Show and silence alerts, and try their routes."""


@command.command(name="list")
@click.option("--open", "open_only", is_flag=True, help="Only those that hold.")
@limit_option(10_000, "At most so many.")
@common_options
def list_(home: Path, *, limit: int, open_only: bool, as_json: bool) -> None:
    """List alerts, the newest first, and what could not be told.

    Example: trimtab alerts list --open
    """
    alerts: Sequence[Alert] = ()
    waiting: Sequence[Notice] = ()
    if has_alerts(home):
        store = alert_store(home)
        alerts = asyncio.run(store.alerts(open_only=open_only, limit=limit))
        waiting = [it for it in asyncio.run(store.notices()) if it.tries]
    if as_json:
        waits = [
            {"alert": it.alert_id, "route": it.route, "tries": it.tries, "error": it.error}
            for it in waiting
        ]
        print_json({"alerts": [document(it, None) for it in alerts], "waiting": waits})
        return
    now_us = wiring.now_us()
    rows = [
        [it.id, *_cells(it.finding), instant(it.opened_us), _state(it, now_us), it.finding.told]
        for it in alerts
    ]
    head = ["alert", "rule", "tenant", "since", "state", "what"]
    print_table(head, rows, empty="no alert is open" if open_only else "there was no alert yet")
    for route in sorted({it.route for it in waiting}):
        held = [it for it in waiting if it.route == route]
        click.echo(f"route '{route}' takes nothing: {len(held)} wait; {held[-1].error}")


@command.command()
@click.argument("route")
@config_option
@json_option
def test(route: str, config: Path | None, *, as_json: bool) -> None:
    """Send a message that says it is a test, and show what was answered.

    Example: trimtab alerts test ops
    """
    answer = asyncio.run(try_route(route, wiring.load_settings(config), wiring.now_us()))
    if as_json:
        print_json({"route": route, "taken": answer.taken, "said": answer.said})
    else:
        click.echo(f"{route}  {'taken' if answer.taken else 'not taken'}   {answer.said}")
    if not answer.taken:
        raise SystemExit(1)


@command.command()
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    default=7,
    show_default=True,
    help="How many days back.",
)
@config_option
@common_options
def replay(days: int, config: Path | None, home: Path, *, as_json: bool) -> None:
    """Show what the rules about amounts would have raised; nobody is told.

    Example: trimtab alerts replay --days 28
    """
    limits = terms(wiring.load_settings(config).alerts)
    snapshot = asyncio.run(wiring.control(home).snapshot())
    found = asyncio.run(Replay(spend(home), snapshot, limits, days).run(wiring.now_us()))
    if as_json:
        print_json({"days": days, "findings": found})
        return
    rows = [[it.window, *_cells(it), it.told] for it in found]
    empty = f"the rules would have raised nothing in {days} days"
    print_table(["window", "rule", "tenant", "what"], rows, empty=empty)


@command.command()
@click.argument("alert")
@click.option("--for", "span_s", type=Span(), required=True, help="How long, up to 7d.")
@click.option("--reason", required=True, help="Why, for those who look at it.")
@common_options
def silence(alert: str, span_s: float, reason: str, home: Path, *, as_json: bool) -> None:
    """Tell nobody of an alert for a while. It stays in the list, and resolves by itself.

    Example: trimtab alerts silence al_3f9c --for 2h --reason "known batch run"
    """
    if not 0 < span_s <= LONGEST_S:
        raise SettingsInvalid("an alert is silenced for up to 7d; choose a shorter time")
    kept = Silence(until_us=wiring.now_us() + round(span_s * 1e6), author=author(), reason=reason)
    found = asyncio.run(_silence(home, alert, kept))
    if as_json:
        print_json({"alert": found.id, "silent_until": instant(kept.until_us)})
    else:
        click.echo(f"{found.id} is silent until {instant(kept.until_us)}")


async def _silence(home: Path, alert_id: str, silence: Silence) -> Alert:
    store = alert_store(home)
    found = await store.find(alert_id) if has_alerts(home) else None
    if found is None:
        raise NotFound(
            f"there is no alert '{alert_id}', or several begin so; see `trimtab alerts list`"
        )
    await store.silence(found.id, silence)
    return found


def _cells(finding: Finding) -> list[str]:
    subject = f", {finding.subject}" if finding.subject else ""
    return [finding.rule, finding.tenant_id + subject]


def _state(alert: Alert, now_us: int) -> str:
    if alert.resolved_us is not None:
        return f"over since {instant(alert.resolved_us)}"
    if alert.silence is not None and alert.is_silent(now_us):
        return f"silent until {instant(alert.silence.until_us)}"
    return "open"

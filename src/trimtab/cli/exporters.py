"""`trimtab exporters` and `trimtab telemetry`: what leaves the site, and sending it again."""

import asyncio
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import common_options, config_option, home_option, json_option
from trimtab.cli.output import print_json, print_table
from trimtab.cost.rates import instant_us
from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.telemetry.preset import Signal
from trimtab.telemetry.receiver import NO_ANSWER, Answer, Verdict
from trimtab.telemetry.standing import standing
from trimtab.wiring.exporting import named, place_name
from trimtab.wiring.sending import Sent, backfill, retry, send_test

MAX_SAID = 500


@click.group()
def exporters() -> None:
    """List exporters, and send again what a receiver did not take.

    Example: trimtab exporters list
    """


@exporters.command("list")
@config_option
@common_options
def listing(config: Path | None, home: Path, *, as_json: bool) -> None:
    """Show what waits, what was put aside, and what holds an exporter up.

    Example: trimtab exporters list
    """
    settings = wiring.load_settings(config)
    found = [
        (exporter, signal, standing(home, place_name(exporter, signal)))
        for exporter in settings.telemetry.exporters
        for signal in exporter.signals
        if signal is not Signal.METRICS
    ]
    if as_json:
        print_json(
            [
                {"name": it.name, "preset": it.preset, "signal": signal, **at._asdict()}
                for it, signal, at in found
            ]
        )
        return
    rows = [
        (it.name, it.preset, signal, str(at.waiting_bytes), str(at.put_aside), _status(at.trouble))
        for it, signal, at in found
    ]
    head = ["name", "preset", "signal", "waiting bytes", "put aside", "state"]
    print_table(head, rows, empty="nothing is exported; add `telemetry.exporters`")


@exporters.command("retry")
@click.argument("name")
@config_option
@home_option
def again(name: str, config: Path | None, home: Path) -> None:
    """Send again what was put aside; what is taken now is removed.

    Exits 1 if something is refused still, and 4 if the receiver is away.

    Example: trimtab exporters retry honeycomb
    """
    exporter = named(wiring.load_settings(config), name)
    sent = asyncio.run(retry(home, exporter))
    click.echo(f"{sent.taken} batches taken, {sent.refused} refused, {sent.left} not tried")
    if sent.answer is not None and sent.left:
        raise TryLater(f"exporter '{name}': {_said(sent.answer)}; try again later")
    raise SystemExit(1 if sent.refused else 0)


@exporters.command("backfill")
@click.argument("name")
@click.option("--from", "since", required=True, help="First day, as 2026-11-22, or an instant.")
@click.option("--to", "until", help="Where to stop: a day or an instant; now by default.")
@config_option
@home_option
def fill(name: str, since: str, until: str | None, config: Path | None, home: Path) -> None:
    """Send the traces of requests that are stored, newest first, under the ids that they had.

    Example: trimtab exporters backfill honeycomb --from 2026-11-22 --to 2026-11-23
    """
    until_us = wiring.now_us() if until is None else _instant_us(until)
    span = (_instant_us(since), until_us)
    settings = wiring.load_settings(config)
    spans = asyncio.run(backfill(home, settings, name, span))
    click.echo(f"{spans} spans sent to '{name}'")


@click.command("check")
@click.argument("name")
@config_option
@json_option
def check(name: str, config: Path | None, *, as_json: bool) -> None:
    """Send one test trace to an exporter and print the answer.

    Exits 1 if it is refused, and 4 if there is no answer.

    Example: trimtab telemetry check phoenix
    """
    exporter = named(wiring.load_settings(config), name)
    sent = asyncio.run(send_test(exporter))
    if as_json:
        print_json(_document(name, sent))
    else:
        click.echo(f"POST {sent.url}")
        click.echo(f"{_said(sent.answer)}  {_text(sent.answer)}".rstrip())
        click.echo(f"trace {sent.trace_id}: {_meaning(sent.answer)}")
    if sent.answer.status == NO_ANSWER:
        raise TryLater(f"exporter '{name}' gives no answer; check endpoint and network")
    raise SystemExit(0 if _is_taken(sent.answer) else 1)


def _document(name: str, sent: Sent) -> dict[str, object]:
    rejected, message = sent.answer.rejected()
    return {
        "exporter": name,
        "url": sent.url,
        "trace_id": sent.trace_id,
        "status": sent.answer.status,
        "taken": _is_taken(sent.answer),
        "rejected_spans": rejected,
        "message": message or _text(sent.answer),
    }


def _is_taken(answer: Answer) -> bool:
    return answer.verdict is Verdict.TAKEN and answer.rejected()[0] == 0


def _meaning(answer: Answer) -> str:
    if answer.status == NO_ANSWER:
        return "nobody answers there"
    if _is_taken(answer):
        return "taken; look for it there"
    return {
        Verdict.TAKEN: "taken in part; the receiver says why",
        Verdict.PAUSE: "the key or the address is wrong; spans would wait",
        Verdict.AGAIN: "not now; spans would wait",
    }.get(answer.verdict, "refused; spans would be put aside")


def _said(answer: Answer) -> str:
    return "no answer" if answer.status == NO_ANSWER else f"answer {answer.status}"


def _text(answer: Answer) -> str:
    """Give what a receiver says, on one line: it is a stranger's text."""
    said = answer.rejected()[1] or answer.body[:MAX_SAID].decode(errors="replace")
    return "".join(char if char.isprintable() else " " for char in said).strip()[:MAX_SAID]


def _status(trouble: int | None) -> str:
    if trouble is None:
        return "sends"
    verdict = Answer(trouble).verdict
    return f"{'paused' if verdict is Verdict.PAUSE else 'tries again'}: {_said(Answer(trouble))}"


def _instant_us(written: str) -> int:
    try:
        return instant_us(written)
    except ValueError:
        raise SettingsInvalid(
            f"{written!r} is no day and no instant; write 2026-11-22 or 2026-11-22T14:00:00Z"
        ) from None

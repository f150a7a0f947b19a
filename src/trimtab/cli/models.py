"""`trimtab models`: where the names lead that apps use, and moving them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
import msgspec
from msgspec.structs import asdict

from trimtab import wiring
from trimtab.cli import breaker
from trimtab.cli.options import Run, common_options, reason_option, words
from trimtab.cli.output import (
    author,
    change_document,
    instant,
    print_done,
    print_json,
    print_listing,
)
from trimtab.cli.switch import add_switch, status
from trimtab.control.models import By, Models, read_shares, unpriced, users, write_shares
from trimtab.domain.change import Change, Source
from trimtab.domain.health import Ailing, BreakerOrder, BreakerState
from trimtab.domain.model import Fallback, Model
from trimtab.domain.suspension import Scope, ScopeKind, Suspension
from trimtab.telemetry.health_file import read_ailing
from trimtab.wiring.pricing import pricing

_expect = click.option(
    "--expect", type=click.IntRange(min=1), help="Only if this change moved it last."
)


def _when(cause: str, text: str) -> Callable[[Run], Run]:
    return click.option(f"--when-{cause}", metavar="MODELS", help=text)


@click.group()
def command() -> None:
    """List, move, suspend and undo the names that apps use."""


@command.command(name="list")
@common_options
def list_(home: Path, *, as_json: bool) -> None:
    """List models with where they lead and what they fall back to.

    Example: trimtab models list
    """
    snapshot = asyncio.run(wiring.control(home).snapshot())
    models = [snapshot.models[name] for name in sorted(snapshot.models)]

    now_us = wiring.now_us()

    def switch_of(model: Model) -> Suspension | None:
        return snapshot.suspensions.get(Scope(ScopeKind.MODEL, model.name))

    def state_of(model: Model) -> str:
        held = breaker.held(snapshot.breakers, model.targets, now_us)
        orders = [f"{target} {breaker.said(order)}" for target, order in held.items()]
        return "; ".join([status(switch_of(model), now_us), *orders])

    documents = [{**msgspec.to_builtins(it), "suspension": switch_of(it)} for it in models]
    print_listing(
        {"models": documents},
        models,
        {
            "model": lambda it: it.name,
            "kind": lambda it: it.kind,
            "leads to": write_shares,
            "falls back to": lambda it: ",".join(it.fallback.when_error),
            "status": state_of,
        },
        empty="no models yet; run `trimtab up`, or add some to trimtab.yaml",
        as_json=as_json,
    )


@command.command()
@click.argument("model")
@common_options
def show(model: str, home: Path, *, as_json: bool) -> None:
    """Show one model: targets, retries, fallback by cause, who moved it last, who relies on it.

    Targets that a worker of this host leaves alone are told, too.

    Example: trimtab models show chat
    """
    control = wiring.control(home)

    async def read() -> tuple[Model, Change, tuple[str, ...], Mapping[str, BreakerOrder]]:
        found, seq = await Models(control).found(model)
        (change,) = await control.history(before=seq + 1, limit=1)
        snapshot = await control.snapshot()
        now_us = wiring.now_us()
        held = breaker.held(snapshot.breakers, found.targets, now_us)
        return found, change, users(model, snapshot.models), held

    found, change, relying, held = asyncio.run(read())
    targets = {str(target) for target in found.targets}
    ailing = [it for it in read_ailing(home) if it.target in targets]
    if as_json:
        print_json(
            {
                "model": msgspec.to_builtins(found),
                "change": change_document(change),
                "fallback_of": relying,
                "ailing": ailing,
                "breakers": held,
            }
        )
        return
    left_alone = [
        ("left alone", f"{it.target}: {it.state} at {it.worker_id}, {_until(it)}")
        for it in ailing
        if it.state is not BreakerState.HELD_OPEN
    ]
    left_alone += [("breaker", f"{it}: {breaker.said(order)}") for it, order in held.items()]
    for name, value in (*_facts(found, change, relying), *left_alone):
        click.echo(f"{name:<24}  {value}")


@command.command()
@click.argument("model")
@click.option("--to", required=True, help="Target, as provider/model; several as a/b=90,c/d=10.")
@reason_option
@_expect
@click.option("--yes", is_flag=True, help="Move a freezer, too.")
@common_options
def move(
    model: str, to: str, reason: str, expect: int | None, home: Path, *, yes: bool, as_json: bool
) -> None:
    """Lead a name to another target; workers follow a moment later.

    Example: trimtab models move chat --to sim/small --reason "half the price, same score"
    """
    models = Models(control := wiring.control(home))
    shares, by = read_shares(to), By(author(), Source.CLI, reason)

    async def run() -> tuple[Change, tuple[str, ...]]:
        change = await models.move(model, shares, by, expected_seq=expect, thaw=yes)
        moved, snapshot = (await models.found(model))[0], await control.snapshot()
        return change, unpriced(moved, snapshot.providers, pricing(snapshot))

    change, warnings = asyncio.run(run())
    _print(f"model {model} leads to {to}", change, as_json=as_json, warnings=warnings)


@command.command()
@click.argument("model")
@_when("error", "After a failure, in this order, as chat-small,openai/gpt-5.")
@_when("rate-limited", "After a 429, in the place of --when-error.")
@_when("context-too-long", "When the request is too long for the target.")
@_when("refused", "When the model refuses to answer.")
@reason_option
@_expect
@common_options
def fallback(
    *,
    model: str,
    when_error: str | None,
    when_rate_limited: str | None,
    when_context_too_long: str | None,
    when_refused: str | None,
    reason: str,
    expect: int | None,
    home: Path,
    as_json: bool,
) -> None:
    """Change what a name falls back to, by cause; "" is nobody, causes not named stay.

    Example: trimtab models fallback chat --when-error chat-small --reason "primary is flaky"
    """
    lists = {
        "when_error": when_error,
        "when_rate_limited": when_rate_limited,
        "when_context_too_long": when_context_too_long,
        "when_refused": when_refused,
    }
    given = {cause: words(text) for cause, text in lists.items() if text is not None}
    if not given:
        raise click.UsageError("name a cause: --when-error, --when-rate-limited ...")
    models = Models(wiring.control(home))

    async def run() -> Change:
        kept = (await models.found(model))[0].fallback
        wanted: Fallback = msgspec.structs.replace(kept, **given)
        return await models.fall_back(
            model, wanted, By(author(), Source.CLI, reason), expected_seq=expect
        )

    _print(f"model {model} has another fallback", asyncio.run(run()), as_json=as_json)


@command.command()
@click.argument("model")
@reason_option
@common_options
def undo(model: str, reason: str, home: Path, *, as_json: bool) -> None:
    """Take the last move of a name back.

    Example: trimtab models undo chat --reason "answers got worse"
    """
    models = Models(wiring.control(home))
    by = By(author(), Source.CLI, reason)
    _print(f"model {model} is as before", asyncio.run(models.undo(model, by)), as_json=as_json)


add_switch(command, ScopeKind.MODEL)
command.add_command(breaker.breaker)


def _print(what: str, made: Change, *, as_json: bool, warnings: Sequence[str] = ()) -> None:
    if as_json:
        print_json({"change": change_document(made), "warnings": warnings})
        return
    print_done(what, made)
    for warning in warnings:
        click.echo(f"warn  {warning}", err=True)


def _until(it: Ailing) -> str:
    told_s = max(0, round(wiring.now().timestamp() - it.told_us / 1e6))
    until = "" if it.until_us is None else f"until {instant(it.until_us)}, "
    return f"{until}told {told_s} s ago"


def _facts(model: Model, change: Change, relying: tuple[str, ...]) -> list[tuple[str, str]]:
    fallback, retry, timeouts = model.fallback, model.retry, model.timeouts
    limited = fallback.when_rate_limited
    return [
        ("model", f"{model.name} ({model.kind})"),
        ("leads to", write_shares(model)),
        ("moved by", f'{change.author}, change {change.seq}: "{change.reason}"'),
        ("when error", ", ".join(fallback.when_error) or "-"),
        ("when rate limited", "as when error" if limited is None else ", ".join(limited) or "-"),
        ("when context too long", ", ".join(fallback.when_context_too_long) or "-"),
        ("when refused", ", ".join(fallback.when_refused) or "-"),
        ("after first token", fallback.after_first_token),
        ("retry", f"{retry.per_target} per target, {retry.in_all} in all"),
        ("timeouts", ", ".join(f"{name} {value:g} s" for name, value in asdict(timeouts).items())),
        ("fallback of", ", ".join(relying) or "-"),
    ]

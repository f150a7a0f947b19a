"""`trimtab models`: where the names lead that apps use, and moving them."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec.structs import asdict

from trimtab import wiring
from trimtab.cli.output import author, change_document, print_done, print_json, print_table
from trimtab.cli.switch import add_switch, home_option, json_option, reason_option, status
from trimtab.control.models import By, Models, read_shares, users, write_shares
from trimtab.domain.change import Change, Source
from trimtab.domain.model import Fallback, Model
from trimtab.domain.suspension import Scope, ScopeKind, Suspension

_CAUSES = ("error", "rate_limited", "context_too_long", "refused")
_expect = click.option(
    "--expect", type=click.IntRange(min=1), help="Only if this change moved it last."
)


@click.group()
def command() -> None:
    """List, move, suspend and undo the names that apps use."""


@command.command(name="list")
@home_option
@json_option
def list_(home: Path | None, *, as_json: bool) -> None:
    """List models with where they lead and what they fall back to.

    Example: trimtab models list
    """
    snapshot = asyncio.run(wiring.control(wiring.home(home)).snapshot())
    models = [snapshot.models[name] for name in sorted(snapshot.models)]

    def switch_of(model: Model) -> Suspension | None:
        return snapshot.suspensions.get(Scope(ScopeKind.MODEL, model.name))

    if as_json:
        print_json(
            {"models": [{**msgspec.to_builtins(it), "suspension": switch_of(it)} for it in models]}
        )
        return
    now_us = round(wiring.now().timestamp() * 1e6)
    rows = [
        [
            it.name,
            it.kind,
            write_shares(it),
            ",".join(it.fallback.when_error),
            status(switch_of(it), now_us),
        ]
        for it in models
    ]
    print_table(
        ["model", "kind", "leads to", "falls back to", "status"],
        rows,
        empty="no models yet; run `trimtab up`, or add some to trimtab.yaml",
    )


@command.command()
@click.argument("model")
@home_option
@json_option
def show(model: str, home: Path | None, *, as_json: bool) -> None:
    """Show one model: targets, retries, fallback by cause, who moved it last, who relies on it.

    Example: trimtab models show chat
    """
    control = wiring.control(wiring.home(home))

    async def read() -> tuple[Model, Change, tuple[str, ...]]:
        found, seq = await Models(control).found(model)
        (change,) = await control.history(before=seq + 1, limit=1)
        return found, change, users(model, (await control.snapshot()).models)

    found, change, relying = asyncio.run(read())
    if as_json:
        print_json(
            {
                "model": msgspec.to_builtins(found),
                "change": change_document(change),
                "fallback_of": relying,
            }
        )
        return
    for name, value in _facts(found, change, relying):
        click.echo(f"{name:<24}  {value}")


@command.command()
@click.argument("model")
@click.option("--to", required=True, help="Target, as provider/model; several as a/b=90,c/d=10.")
@reason_option
@_expect
@click.option("--yes", is_flag=True, help="Move a freezer, too.")
@home_option
@json_option
# one parameter an option
def move(  # noqa: PLR0913
    model: str,
    to: str,
    reason: str,
    expect: int | None,
    home: Path | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Lead a name to another target; workers follow a moment later.

    Example: trimtab models move chat --to sim/small --reason "half the price, same score"
    """
    models = Models(wiring.control(wiring.home(home)))
    shares, by = read_shares(to), By(author(), Source.CLI, reason)
    _run(
        models.move(model, shares, by, expected_seq=expect, thaw=yes),
        f"model {model} leads to {to}",
        as_json=as_json,
    )


@command.command()
@click.argument("model")
@click.option(
    "--when",
    "lists",
    multiple=True,
    required=True,
    help="CAUSE=models: error, rate_limited, context_too_long or refused; `error=` is nobody.",
)
@reason_option
@_expect
@home_option
@json_option
# one parameter an option
def fallback(
    model: str,
    lists: tuple[str, ...],
    reason: str,
    expect: int | None,
    home: Path | None,
    *,
    as_json: bool,
) -> None:
    """Change what a name falls back to, by cause; causes that are not named stay.

    Example: trimtab models fallback chat --when error=chat-small --reason "primary is flaky"
    """
    given = dict(_cause(text) for text in lists)
    models = Models(wiring.control(wiring.home(home)))

    async def change() -> Change:
        kept = (await models.found(model))[0].fallback
        wanted: Fallback = msgspec.structs.replace(kept, **given)
        return await models.fall_back(
            model, wanted, By(author(), Source.CLI, reason), expected_seq=expect
        )

    _run(change(), f"model {model} has another fallback", as_json=as_json)


@command.command()
@click.argument("model")
@reason_option
@home_option
@json_option
def undo(model: str, reason: str, home: Path | None, *, as_json: bool) -> None:
    """Take the last move of a name back.

    Example: trimtab models undo chat --reason "answers got worse"
    """
    models = Models(wiring.control(wiring.home(home)))
    by = By(author(), Source.CLI, reason)
    _run(models.undo(model, by), f"model {model} is as before", as_json=as_json)


add_switch(command, ScopeKind.MODEL)


def _run(change: Coroutine[Any, Any, Change], what: str, *, as_json: bool) -> None:
    made = asyncio.run(change)
    if as_json:
        print_json({"change": change_document(made)})
    else:
        print_done(what, made)


def _cause(text: str) -> tuple[str, tuple[str, ...]]:
    cause, equals, names = text.partition("=")
    if not equals or cause not in _CAUSES:
        raise click.UsageError(f"--when takes CAUSE=models; causes are {', '.join(_CAUSES)}")
    return f"when_{cause}", tuple(it.strip() for it in names.split(",") if it.strip())


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

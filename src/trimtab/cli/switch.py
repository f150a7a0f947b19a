"""The kill switch of whatever a group of commands is about: `suspend` and `resume`."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import Run, common_options, reason_option, span_option
from trimtab.cli.output import author, instant, print_change, print_listing
from trimtab.domain.change import Source
from trimtab.domain.suspension import OF_A_TENANT, WHOLE_SITE, Scope, ScopeKind, Suspension

EXAMPLES = {
    ScopeKind.TENANT: "acme",
    ScopeKind.KEY: "my-app",
    ScopeKind.FEATURE: "search --tenant acme",
    ScopeKind.USER: "u-4711 --tenant acme",
    ScopeKind.MODEL: "chat",
    ScopeKind.PROVIDER: "openai",
}
"""What the help of each group stops."""

_PARAMETERS = ("name", "tenant", "whole", "hashed")
_WHY = {"suspend": "runaway agent", "resume": "agent fixed"}


def switch_group(kind: ScopeKind) -> click.Group:
    """Make a group of commands that holds nothing but the kill switch of a kind."""
    group = click.Group(help=f"Suspend and resume {kind}s.")

    @common_options
    def list_(home: Path, *, as_json: bool) -> None:
        suspensions = asyncio.run(wiring.control(home).snapshot()).suspensions
        found = {scope: it for scope, it in sorted(suspensions.items()) if scope.kind is kind}
        now_us = wiring.now_us()
        print_listing(
            {f"{kind}s": [_document(scope, it) for scope, it in found.items()]},
            list(found.items()),
            {
                str(kind): lambda it: it[0].name,
                "tenant": lambda it: it[0].tenant,
                "status": lambda it: status(it[1], now_us),
            },
            empty=f"no {kind} is suspended",
            as_json=as_json,
        )

    text = f"List the {kind}s that are suspended.\n\nExample: trimtab {kind}s list"
    group.command("list", help=text)(list_)
    add_switch(group, kind)
    return group


def add_switch(group: click.Group, kind: ScopeKind) -> None:
    """Give a group the commands `suspend` and `resume`."""

    @reason_option
    @span_option
    @click.option("--running", is_flag=True, help="End the streams that run, too.")
    @common_options
    def suspend(
        scope: Scope, reason: str, span_s: float | None, home: Path, *, running: bool, as_json: bool
    ) -> None:
        suspension = Suspension(reason=reason, until_us=until_us(span_s), running=running)
        throw(scope, suspension, home, f"suspended {_label(scope)}", as_json=as_json)

    @reason_option
    @common_options
    def resume(scope: Scope, reason: str, home: Path, *, as_json: bool) -> None:
        switches = wiring.switches(home)
        change = asyncio.run(
            switches.resume(scope, reason=reason, author=author(), source=Source.CLI)
        )
        print_change(f"resumed {_label(scope)}", change, as_json=as_json)

    example = f"Example: trimtab {kind}s {{}} {EXAMPLES[kind]} --reason"
    for name, run, text in (
        ("suspend", suspend, f"Stop a {kind}: no worker serves it a moment later."),
        ("resume", resume, f"Let a suspended {kind} in again."),
    ):
        said = f'{text}\n\n{example.format(name)} "{_WHY[name]}"'
        group.command(name, cls=_scoped(kind), help=said)(_where(kind)(run))


def throw(scope: Scope, suspension: Suspension, home: Path, done: str, *, as_json: bool) -> None:
    """Throw a switch, and say that it is done."""
    switches = wiring.switches(home)
    change = asyncio.run(switches.suspend(scope, suspension, author=author(), source=Source.CLI))
    end = suspension.until_us
    print_change(
        f"{done}{'' if end is None else f' until {instant(end)}'}", change, as_json=as_json
    )


def until_us(span_s: float | None) -> int | None:
    """Give the instant at which a span from now on ends."""
    return None if span_s is None else round((wiring.now().timestamp() + span_s) * 1e6)


def status(suspension: Suspension | None, now_us: int) -> str:
    """Say in a few words whether something is suspended or slowed down, and why."""
    if suspension is None or not suspension.is_on(now_us):
        return "active"
    rate = suspension.requests_per_minute
    what = "suspended" if rate is None else f"throttled to {rate}/min"
    end = "" if suspension.until_us is None else f" until {instant(suspension.until_us)}"
    return f"{what}{end}: {suspension.reason}"


def _where(kind: ScopeKind) -> Callable[[Run], Run]:
    """Add the parameters that say what is stopped."""
    wanted = [click.argument("name", required=kind is not ScopeKind.TENANT)]
    if kind is ScopeKind.TENANT:
        wanted.append(click.option("--all", "whole", is_flag=True, help="Every tenant."))
    if kind in OF_A_TENANT:
        wanted.append(click.option("--tenant", required=True, help=f"Whose {kind}."))
    if kind is ScopeKind.USER:
        text = "The name is the `user_hash` of a record."
        wanted.append(click.option("--hashed", is_flag=True, help=text))

    def add(run: Run) -> Run:
        for parameter in reversed(wanted):
            run = parameter(run)
        return run

    return add


def _scoped(kind: ScopeKind) -> type[click.Command]:
    """Make commands that are called with a scope instead of the parameters that say it."""

    class Scoped(click.Command):
        """A command about one scope."""

        def invoke(self, ctx: click.Context) -> object:
            """Run it."""
            said = {name: ctx.params.pop(name, None) for name in _PARAMETERS}
            name, tenant = said["name"], said["tenant"] or ""
            if bool(name) is bool(said["whole"]):
                raise click.UsageError("name one tenant, or say --all")
            if said["whole"]:
                ctx.params["scope"] = WHOLE_SITE
            else:
                if kind is ScopeKind.USER and not said["hashed"]:
                    name = wiring.user_hash(ctx.params["home"])(tenant, name)
                ctx.params["scope"] = Scope(kind, name, tenant)
            return super().invoke(ctx)

    return Scoped


def _document(scope: Scope, suspension: Suspension) -> dict[str, object]:
    return {"name": scope.name, "tenant": scope.tenant or None, "suspension": suspension}


def _label(scope: Scope) -> str:
    if scope == WHOLE_SITE:
        return "every tenant"
    return f"{scope.kind} {scope.name}" + (f" of tenant {scope.tenant}" if scope.tenant else "")


features = switch_group(ScopeKind.FEATURE)
users = switch_group(ScopeKind.USER)
providers = switch_group(ScopeKind.PROVIDER)

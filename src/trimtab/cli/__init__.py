"""The command line. A command's module is imported when the command is used, not before.

Exit codes: 0 done, 1 the answer is no, 2 usage, 3 inconclusive, 4 could not (a service is away).
"""

import os
import signal
import threading
from collections.abc import Mapping
from typing import IO, Any, NoReturn

import click

from trimtab.cli.lazy import Command, LazyGroup
from trimtab.domain.errors import TrimtabError, TryLater, UpstreamFailed

COMMANDS: Mapping[str, Command] = {
    "up": Command("trimtab.cli.up:command", "Run everything on this machine."),
    "check": Command("trimtab.cli.check:command", "Validate trimtab.yaml."),
    "diff": Command("trimtab.cli.apply:diff", "Compare the file with what is live."),
    "apply": Command("trimtab.cli.apply:command", "Make live what the file says."),
    "migrate": Command("trimtab.cli.migrate:command", "Tell which schema databases have."),
    "init": Command("trimtab.cli.init:command", "Write a commented starter file."),
    "keys": Command("trimtab.cli.keys:command", "Make, rotate, suspend and revoke keys."),
    "tenants": Command("trimtab.cli.tenants:command", "List, slow down and suspend tenants."),
    "features": Command("trimtab.cli.switch:features", "Suspend features of a tenant."),
    "users": Command("trimtab.cli.switch:users", "Suspend end users of a tenant."),
    "models": Command("trimtab.cli.models:command", "List, move, suspend and undo model names."),
    "providers": Command("trimtab.cli.switch:providers", "Suspend providers."),
    "prompts": Command("trimtab.cli.prompts:command", "Publish prompts and move their labels."),
    "accounts": Command("trimtab.cli.accounts:command", "Who may log in to the console."),
    "changes": Command("trimtab.cli.changes:command", "Show and undo what was changed."),
    "audit": Command("trimtab.cli.audit:command", "Show who read content or keys."),
    "erase": Command("trimtab.cli.erase:command", "Erase what people wrote, with a receipt."),
    "trace": Command("trimtab.cli.trace:trace", "Show what happened in one request."),
    "annotate": Command("trimtab.cli.annotate:command", "Say something of a request."),
    "rehydrate": Command("trimtab.cli.rehydrate:command", "Export a trace that was dropped."),
    "explain": Command("trimtab.cli.explain:command", "Tell which rule decided what."),
    "search": Command("trimtab.cli.search:search", "List requests, also by what was written."),
    "tail": Command("trimtab.cli.search:tail", "Follow requests as they end."),
    "records": Command("trimtab.cli.records:command", "Take records elsewhere, or keep them."),
    "budgets": Command("trimtab.cli.budgets:command", "Show and change what may be spent."),
    "limits": Command("trimtab.cli.limits:command", "Compare shared counters with the ledger."),
    "costs": Command("trimtab.cli.costs:command", "Show what a tenant cost."),
    "ledger": Command("trimtab.cli.ledger:command", "Check that sums are those of the lines."),
    "alerts": Command("trimtab.cli.alerts:command", "Show, silence and try alerts on spending."),
    "reconcile": Command("trimtab.cli.reconcile:command", "Compare the ledger with bills."),
    "prices": Command("trimtab.cli.prices:command", "Show, check, change and correct prices."),
    "bills": Command("trimtab.cli.bills:command", "Show and close the bills of tenants."),
    "evals": Command("trimtab.cli.evals:command", "Judge answers, and what a change does."),
    "telemetry": Command("trimtab.cli.telemetry:command", "Watch what is exported and told."),
    "exporters": Command("trimtab.cli.exporters:exporters", "List exporters; send again."),
    "gateway": Command("trimtab.cli.gateway:command", "Run a gateway worker."),
    "keeper": Command("trimtab.cli.keeper:command", "Run the keeper with its console."),
    "sim": Command("trimtab.cli.sim:command", "Simulate a provider, faults included."),
    "local-models": Command("trimtab.cli.local_models:command", "Serve a real model here."),
}


class Failure(click.ClickException):
    """A command that was asked for what cannot be: one line on standard error, exit code 2."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message, and no traceback."""
        click.echo(f"trimtab: {self.message}", file=file, err=file is None)


class CouldNot(Failure):
    """Something a command needs is away: exit code 4."""

    exit_code = 4


class Program(LazyGroup):
    """All commands."""

    table = COMMANDS

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what Trimtab raises on purpose becomes one line and an exit code."""
        try:
            return super().invoke(ctx)
        except TrimtabError as exc:
            away = isinstance(exc, TryLater | UpstreamFailed)
            raise (CouldNot if away else Failure)(str(exc)) from exc
        except OSError as exc:
            raise CouldNot(str(exc)) from exc


@click.group("trimtab", cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trimtab", message="trimtab %(version)s")
@click.option("--supervised", is_flag=True, hidden=True, help="Stop when standard input closes.")
def program(*, supervised: bool) -> None:
    """Run LLM-backed products like production software.

    Begin with `trimtab init` (a commented file) and `trimtab up` (everything on this machine).
    """
    # Whatever a command makes is for its owner alone.
    os.umask(0o077)
    if supervised:
        threading.Thread(target=_stop_with_parent, daemon=True).start()


def _stop_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> NoReturn:
    """Run the command line and exit."""
    program(prog_name="trimtab")
    raise SystemExit

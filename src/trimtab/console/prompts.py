"""Prompts: what production says, and what each did in a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response

from trimtab.console.base import Console, Visit
from trimtab.console.changes import find_change, read_seq
from trimtab.console.overview import DAY_US
from trimtab.control.prompts import Pointed, Prompts
from trimtab.domain.change import Change
from trimtab.domain.errors import PromptNotFound, TryLater
from trimtab.domain.prompt import DEFAULT_SCOPE, PRODUCTION, Place, PromptVersion
from trimtab.registry.labels import existing
from trimtab.store.base.sums import PromptRow

PATH = "/console/prompts"
NO_REQUESTS = PromptRow(group=(), n=0, n_error=0, n_unpriced=0, cost_nano=0)


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt.

    Attributes:
        production: Where the label `production` points for everybody; `None` is nowhere.
        elsewhere: Scopes in which it points by itself.
        used: What it did in a day.
    """

    newest: PromptVersion
    published: Change
    n_versions: int
    production: Pointed | None
    elsewhere: tuple[str, ...]
    used: PromptRow


async def show(visit: Visit) -> Response:
    """List all prompts."""
    console = visit.console
    prompts = await console.registry.prompts()
    away, used = await _used(console)
    rows = [_row(prompts, name, used.get(name, NO_REQUESTS)) for name in sorted(prompts.versions)]
    context = {
        "away": away,
        "rows": [row for row in rows if row is not None],
        "done": await find_change(console, read_seq(visit.query("done"))),
    }
    return visit.page("prompts.html", context)


async def found_prompt(visit: Visit) -> tuple[Prompts, str]:
    """Find the prompt that a path names. Raises `PromptNotFound`."""
    prompts, name = await visit.console.registry.prompts(), visit.param("name")
    if name not in prompts.versions:
        raise PromptNotFound(f"there is no prompt {name[:64]!r}; the page Prompts lists them")
    return prompts, name


async def found_version(visit: Visit) -> tuple[Prompts, PromptVersion]:
    """Find the version that a path names. Raises `PromptNotFound`."""
    prompts = await visit.console.registry.prompts()
    return prompts, existing(prompts, visit.param("name"), visit.param("version"))


def path_of(name: str, version: str | None = None) -> str:
    """Give the page of a prompt, or of one of its versions."""
    path = f"{PATH}/{quote(name, safe='')}"
    return path if version is None else f"{path}/versions/{quote(version, safe='')}"


def sent_path(name: str) -> str:
    """Name a file that was sent and has no path, for messages."""
    return f"{name[:64]}.prompt.yaml"


async def _used(console: Console) -> tuple[str, Mapping[str, PromptRow]]:
    since_us = console.clock.now_us() - DAY_US
    try:
        rows = await console.rollups.prompted(since_us=since_us, group_by=("prompt",))
    except TryLater as exc:
        return str(exc), {}
    return "", {row.group[0]: row for row in rows}


def _row(prompts: Prompts, name: str, used: PromptRow) -> Row | None:
    newest = prompts.newest(name)
    if newest is None:
        return None
    scoped = prompts.labels.get(name, {}).get(PRODUCTION, {})
    return Row(
        newest=newest,
        published=prompts.published[newest.ref],
        n_versions=len(prompts.versions[name]),
        production=prompts.at(Place(name)),
        elsewhere=tuple(sorted(it for it in scoped if it != DEFAULT_SCOPE)),
        used=used,
    )

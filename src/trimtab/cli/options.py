"""Options that many commands have. `--home` is given to them as the directory that it means."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from trimtab import wiring

PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
EXISTING_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
FOLDER = click.Path(path_type=Path, file_okay=False)

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"([0-9]{1,6})([smhd])")
Run = TypeVar("Run", bound=Callable[..., None])


class Span(click.ParamType[float]):
    """A span of time as `2h`, in seconds."""

    name = "span"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it."""
        match = _SPAN.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no span of time; write it as 30m, 2h or 7d", param, ctx)
        return float(match[1]) * _UNITS_S[match[2]]


def _home(_ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path:
    return wiring.home(value)


home_option = click.option("--home", type=PATH, callback=_home, help="State directory.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
config_option = click.option(
    "--config",
    type=PATH,
    help="Configuration file; trimtab.yaml if it is there, else the demo.",
)
reason_option = click.option("--reason", required=True, help="Why, for the change log.")
span_option = click.option("--for", "span_s", type=Span(), help="End by itself, as after 2h.")


def common_options(run: Run) -> Run:
    """Add `--home` and `--json`, which nearly every command has."""
    return home_option(json_option(run))


def limit_option(most: int, text: str) -> Callable[[Run], Run]:
    """Make `--limit`: how much is listed, 50 by default."""
    limit = click.IntRange(1, most)
    return click.option("--limit", type=limit, default=50, show_default=True, help=text)


def words(text: str) -> tuple[str, ...]:
    """Read names that are separated by commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())

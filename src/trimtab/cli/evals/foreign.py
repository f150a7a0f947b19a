"""Eval sets of other tools: `import` and `export`, and tables for those who compute."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from pkgutil import resolve_name

import click
import msgspec

from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.case import Case
from trimtab.evals.dataset import read_cases, write_case
from trimtab.evals.manifest import read_suite
from trimtab.evals.neighbours import FORMATS, adapter
from trimtab.evals.neighbours.base import Document, Loss, from_suite
from trimtab.evals.neighbours.yaml_text import write_yaml
from trimtab.evals.result import SCHEMA, read_run
from trimtab.evals.suite import Suite

LOST = 1

PARQUET = "parquet"
_TABLES = "trimtab.evals.parquet"

_FILE = click.Path(path_type=Path, dir_okay=False)

_strict = click.option("--strict", is_flag=True, help="Refuse, and exit 1, if anything is lost.")
_force = click.option("--force", is_flag=True, help="Overwrite files that are there.")


@click.command(name="import")
@click.argument("file", type=_FILE)
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), required=True, help="Its format."
)
@click.option(
    "--out", type=_FILE, help="Manifest to write, its cases beside it; evals/NAME.yaml by default."
)
@click.option("--adversarial", is_flag=True, help="Its cases are attacks.")
@_strict
@_force
def import_(
    file: Path, form: str, out: Path | None, *, adversarial: bool, strict: bool, force: bool
) -> None:
    """Turn an eval set of another tool into a suite. What cannot be carried is listed.

    Example: trimtab evals import promptfooconfig.yaml --format promptfoo
    """
    found = adapter(form).read(_text(file), str(file))
    _tell(found.losses, strict=strict)
    target = out or Path("evals") / f"{found.name}.yaml"
    cases = target.with_suffix(".jsonl")
    there = [it for it in (target, cases) if it.exists()]
    if there and not force:
        raise SettingsInvalid(f"'{there[0]}' exists; name another with --out, or pass --force")
    manifest = _manifest(found, cases.name, adversarial=adversarial)
    target.parent.mkdir(parents=True, exist_ok=True)
    cases.write_text("".join(map(write_case, found.cases)), "utf-8")
    target.write_text(manifest, "utf-8")
    suite = read_suite(target)
    click.echo(f"wrote {target}, {cases.name}   {len(suite.cases)} cases")
    click.echo(f"next: name its target and judge, then trimtab evals lint {target}")


@click.command()
@click.argument("file", type=_FILE)
@click.option(
    "--format",
    "form",
    type=click.Choice([*FORMATS, PARQUET]),
    required=True,
    help="Format to write; parquet is a table of its cases, or of the scores of a run.",
)
@click.option("--out", type=_FILE, help="File to write.")
@_strict
@_force
def export(file: Path, form: str, out: Path | None, *, strict: bool, force: bool) -> None:
    """Write a suite for another tool, or as a table. What cannot be carried is listed.

    FILE is the manifest of a suite; for a table also the JSON report of a run.

    Example: trimtab evals export evals/rag-golden.yaml --format ragas --out rag.jsonl
    """
    suffix = f".{form}" if form == PARQUET else f".{form}{adapter(form).suffix}"
    target = out or Path(f"{file.stem}{suffix}")
    if target.exists() and not force:
        raise SettingsInvalid(f"'{target}' exists; name another with --out, or pass --force")
    if form == PARQUET:
        said = f"{_table(file, target)} rows"
    else:
        document, other = _document(read_suite(file)), adapter(form)
        _tell(other.unsaid(document), strict=strict)
        target.write_text(other.form(document), "utf-8")
        said = f"{len(document.cases)} cases"
    click.echo(f"wrote {target}   {said}")


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsInvalid(f"'{file}' cannot be read as UTF-8 text; look at it") from exc


def _tell(losses: Sequence[Loss], *, strict: bool) -> None:
    """Print what is lost, each reason once."""
    for (why, remedy), same in groupby(
        sorted(losses, key=lambda it: (it.why, it.remedy)), key=lambda it: (it.why, it.remedy)
    ):
        first, *more = (it.member for it in same)
        where = f"{first} and {len(more)} more" if more else first
        click.echo(str(Loss(where, why, remedy)), err=True)
    if losses and strict:
        raise SystemExit(LOST)


def _manifest(found: Document, cases: str, *, adversarial: bool) -> str:
    kind = "adversarial" if adversarial else found.kind.value
    top = {"schema": 1, "name": found.name, "class": kind, "cases": [cases]}
    return write_yaml({**top, **({"metrics": found.metrics} if found.metrics else {})})


def _document(suite: Suite) -> Document:
    return from_suite(suite, _cases(suite))


def _cases(suite: Suite) -> tuple[Case, ...]:
    """Read the cases as they are written: a suite has their choices shuffled."""
    files = dict.fromkeys(file for file, _ in suite.places.values())
    return tuple(it.case for file in files for it in read_cases(_text(Path(file)), file))


def _table(file: Path, target: Path) -> int:
    try:
        cases, scores = (resolve_name(f"{_TABLES}:write_{it}") for it in ("cases", "scores"))
    except ImportError as exc:
        raise SettingsInvalid(
            "a table in Parquet takes duckdb, which is not installed; install trimtab[parquet]"
        ) from exc
    if file.suffix == ".json":
        with suppress(msgspec.DecodeError):
            return int(scores(read_run(file.read_bytes()), target))
        raise SettingsInvalid(f"'{file}' is no report of schema {SCHEMA}; give one run's")
    return int(cases(_cases(read_suite(file)), target))

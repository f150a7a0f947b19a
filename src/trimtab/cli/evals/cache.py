"""`trimtab evals cache`: what is remembered of judges."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click

from trimtab.cli.options import PATH, json_option
from trimtab.cli.output import print_json, print_table
from trimtab.domain.money import usd_text
from trimtab.evals.cache import Cache, Entry, Flaw
from trimtab.wiring.judge_cache import CACHE_KEY_VARIABLE, FOLDER, judge_cache

WRONG = 1

folder_option = click.option(
    "--folder", type=PATH, default=str(FOLDER), show_default=True, help="Where verdicts are kept."
)


@click.group()
def cache() -> None:
    """Look after the verdicts that judges gave, so that none is paid for twice."""


@dataclass(slots=True)
class _Sum:
    entries: int = 0
    nano: int = 0
    oldest: str = ""
    newest: str = ""

    def add(self, entry: Entry) -> None:
        self.entries += 1
        self.nano += entry.cost_nano or 0
        self.oldest = min(self.oldest or entry.at, entry.at)
        self.newest = max(self.newest, entry.at)


@dataclass(slots=True)
class _Kept:
    size: int = 0
    flaws: Counter[Flaw] = field(default_factory=Counter[Flaw])
    sums: dict[tuple[str, str], _Sum] = field(default_factory=dict[tuple[str, str], _Sum])


@cache.command()
@folder_option
@json_option
def stats(folder: Path, *, as_json: bool) -> None:
    """Count what is remembered, by judge and step, with what it cost.

    Example: trimtab evals cache stats
    """
    opened = judge_cache(folder)
    kept = _look(opened)
    rows = sorted(kept.sums.items())
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "signed": opened.signed,
                "bytes": kept.size,
                "unusable": {flaw: kept.flaws[flaw] for flaw in Flaw if kept.flaws[flaw]},
                "entries": [
                    {
                        "judge_model": model,
                        "step": step,
                        "entries": it.entries,
                        "cost_nano": it.nano,
                        "oldest": it.oldest,
                        "newest": it.newest,
                    }
                    for (model, step), it in rows
                ],
            }
        )
        return
    print_table(
        ("judge", "step", "entries", "cost usd", "oldest", "newest"),
        [
            (model, step, str(it.entries), usd_text(it.nano), it.oldest[:10], it.newest[:10])
            for (model, step), it in rows
        ],
        empty="nothing is remembered yet; `trimtab evals run` asks the judge",
    )
    click.echo(f"{kept.size} bytes, {_trust(opened)}{_unusable(kept.flaws)}")


@cache.command()
@folder_option
@json_option
def verify(folder: Path, *, as_json: bool) -> None:
    """Name the entries that are not used: garbage, misplaced, unsigned, tampered with. Exits 1.

    Example: trimtab evals cache verify
    """
    opened = judge_cache(folder)
    found = list(opened.entries())
    wrong = [(path, it) for path, it in found if isinstance(it, Flaw)]
    if as_json:
        flaws = [{"path": str(path), "flaw": it} for path, it in wrong]
        print_json({"entries": len(found), "signed": opened.signed, "unusable": flaws})
    else:
        for path, it in wrong:
            click.echo(f"{path}: {it}")
        good = len(found) - len(wrong)
        click.echo(f"{good} of {len(found)} entries can be used, {_trust(opened)}")
    if wrong:
        raise SystemExit(WRONG)


@cache.command()
@folder_option
@click.option(
    "--days",
    type=click.IntRange(min=0),
    default=90,
    show_default=True,
    help="Age in days of what is removed.",
)
def gc(folder: Path, days: int) -> None:
    """Remove verdicts that were given long ago, and what cannot be used.

    Example: trimtab evals cache gc --days 90
    """
    count, size = judge_cache(folder).gc(days)
    click.echo(f"removed {count} files, {size} bytes")


def _look(opened: Cache) -> _Kept:
    kept = _Kept()
    for path, it in opened.entries():
        kept.size += path.stat().st_size
        if isinstance(it, Flaw):
            kept.flaws[it] += 1
        else:
            kept.sums.setdefault((it.key.judge_model, it.key.step), _Sum()).add(it)
    return kept


def _trust(opened: Cache) -> str:
    return "signed" if opened.signed else f"unsigned: {CACHE_KEY_VARIABLE} is not set"


def _unusable(flaws: Counter[Flaw]) -> str:
    told = ", ".join(f"{flaws[it]} {it}" for it in Flaw if flaws[it])
    return f"; not used: {told}" if told else ""

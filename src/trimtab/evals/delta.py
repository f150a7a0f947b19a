"""Whether a change of prompts comes with what it does to answers: its eval delta."""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import msgspec
from msgspec import Struct

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import SHORT_HASH
from trimtab.evals.result import SCHEMA, Arm, Run


class ChangedPrompt(Struct, frozen=True, kw_only=True):
    """A prompt that a change touches.

    Attributes:
        hash: SHA-256 of what it says now, hex; `None` if that takes texts of others to know.
    """

    file: str
    name: str
    hash: str | None = None


def find_runs(data: bytes, file: str) -> tuple[Run, ...]:
    """Find the runs in a report: one document, or several in lists and members.

    Raises:
        SettingsInvalid: it is no JSON, or what says to be a run is none.
    """
    try:
        return tuple(msgspec.convert(it, type=Run) for it in _documents(msgspec.json.decode(data)))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise SettingsInvalid(
            f"'{file}' is no report of an eval ({exc}); give what `trimtab evals gate` wrote"
        ) from exc


def lacking(prompts: Iterable[ChangedPrompt], runs: Sequence[Run]) -> tuple[str, ...]:
    """Say of each prompt without a delta what is missing, in a sentence."""
    told = ((it, _lack(it, runs)) for it in prompts)
    return tuple(
        f"{prompt.file}: prompt '{prompt.name}' is changed, and {what}; run `trimtab evals gate`"
        " on its suite and give the report: a prompt without its eval delta is a data migration"
        " without its schema diff"
        for prompt, what in told
        if what
    )


def has_delta(run: Run) -> bool:
    """Whether a run compares: some case has a score of one metric in both arms."""
    scored = {arm: {*_scored(run, arm)} for arm in Arm}
    return run.baseline is not None and not scored[Arm.CANDIDATE].isdisjoint(scored[Arm.BASELINE])


def _lack(prompt: ChangedPrompt, runs: Sequence[Run]) -> str:
    """Say what is missing; "" if nothing is. A run of a whole application is of its prompts."""
    own = [it for it in runs if it.candidate.prompt in (prompt.name, None)]
    if not own:
        return "no eval of it is reported"
    same = [it for it in own if _is_of(it, prompt)]
    if not same:
        was = ", ".join(sorted({(it.candidate.prompt_hash or "")[:SHORT_HASH] for it in own}))
        now = (prompt.hash or "")[:SHORT_HASH]
        return f"what was evaluated is another text of it ({was}, and it is {now})"
    if not any(map(has_delta, same)):
        return "its eval was compared with no baseline"
    return ""


def _is_of(run: Run, prompt: ChangedPrompt) -> bool:
    hashed = run.candidate.prompt_hash
    return hashed is None or prompt.hash is None or hashed == prompt.hash


def _scored(run: Run, arm: Arm) -> Iterator[tuple[str, str]]:
    for sample in run.samples:
        if sample.arm is arm:
            for metric, score in sample.scores.items():
                if score.value is not None:
                    yield sample.case, metric


def _documents(value: object) -> Iterator[object]:
    if isinstance(value, list):
        for it in cast("list[object]", value):
            yield from _documents(it)
    elif isinstance(value, dict):
        members = cast("dict[str, object]", value)
        if members.get("schema") == SCHEMA:
            yield members
        else:
            for it in members.values():
                yield from _documents(it)

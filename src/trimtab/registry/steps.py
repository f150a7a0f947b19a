"""What a label held before: the steps that a rollback takes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from trimtab.control.prompts import Prompts
from trimtab.domain.change import Change
from trimtab.domain.errors import NothingToRollBackTo
from trimtab.domain.prompt import DEFAULT_SCOPE, Label, Place, PromptVersion

Fits = Callable[[PromptVersion], bool]


@dataclass(frozen=True, slots=True)
class Held:
    """A version that a label held, and until when; `None` is that it pointed nowhere."""

    version: str | None
    until_us: int


def step_back(
    prompts: Prompts, place: Place, moves: Sequence[Change], *, to: str | None, fits: Fits
) -> Held:
    """Choose where a label goes back to: the last step that is still there and that fits.

    In a scope of its own a label may go back to pointing nowhere, so that the next scope counts.

    Args:
        prompts: What is there.
        place: The label.
        moves: All its moves, oldest first.
        to: A version it held, if not the last one.
        fits: What the version must be.

    Raises:
        NothingToRollBackTo: there is no such step.
    """
    for held in steps_back(moves) if to is None else held_ever(moves):
        if held.version is None:
            if place.scope != DEFAULT_SCOPE and to is None:
                return held
            continue
        version = prompts.find(place.name, held.version)
        there = version is not None and version.ref not in prompts.yanked
        if version is not None and there and to in (None, held.version) and fits(version):
            return held
    what = "nothing else" if to is None else f"no version {to[:64]!r}"
    raise NothingToRollBackTo(
        f"label '{place}' held {what} that it could go back to; `trimtab prompts history"
        f" {place.name}` lists its moves"
    )


def steps_back(moves: Sequence[Change]) -> Iterator[Held]:
    """Walk back over what a label held, leaving out what was taken back since.

    A move forwards is one step more; a move back takes steps away, down to the one it went to.
    """
    steps: list[Held] = []
    for index, change in enumerate(moves):
        value = label_of(change.after)
        version = None if value is None else value.version
        if index == 0 and version is not None:
            steps.append(Held(None, change.ts_us))
        if value is not None and value.rolled_back:
            while steps and steps.pop().version != version:
                pass
        steps.append(Held(version, _until(moves, index)))
    yield from reversed(steps[:-1])


def held_ever(moves: Sequence[Change]) -> Iterator[Held]:
    """Walk back over everything a label held before what it holds now."""
    for index in range(len(moves) - 2, -1, -1):
        value = label_of(moves[index].after)
        yield Held(None if value is None else value.version, _until(moves, index))


def version_of(value: bytes | None) -> str | None:
    """Read which version a label pointed at before or after a move."""
    label = label_of(value)
    return None if label is None else label.version


def _until(moves: Sequence[Change], index: int) -> int:
    return moves[min(index + 1, len(moves) - 1)].ts_us


def label_of(value: bytes | None) -> Label | None:
    """Read a label as it was before or after a move; `None` if it pointed nowhere."""
    return None if value is None else msgspec.json.decode(value, type=Label)

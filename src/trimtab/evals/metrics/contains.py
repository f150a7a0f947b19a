"""`contains` and `not_contains`: texts that an answer must have, or must not."""

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.domain.yaml_tree import Wrong
from trimtab.evals.case import Case
from trimtab.evals.judging import Judge
from trimtab.evals.metrics.base import (
    About,
    Answer,
    Parts,
    Score,
    failed,
    not_applicable,
    options,
    scored,
)
from trimtab.evals.metrics.words import Flags


class Options(Flags, frozen=True):
    """Texts for every case; without them each case brings its own checks."""

    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contains:
    """All texts are in the answer; or none of them, if it is `absent` that counts."""

    options: Options
    absent: bool

    @property
    def about(self) -> About:
        """See `Metric.about`."""
        return About(name="not_contains" if self.absent else "contains")

    async def score(self, case: Case, answer: Answer, _judge: Judge) -> Score:
        """See `Metric.score`."""
        checks = case.checks.not_contains if self.absent else case.checks.contains
        texts = self.options.texts or checks
        if not texts:
            return not_applicable("the case has no texts to look for")
        if not all(map(self.options.plain, texts)):
            return failed("empty_text", "a text to look for has nothing that counts; write more")
        said = self.options.plain(answer.text)
        wrong = [it for it in texts if (self.options.plain(it) in said) is self.absent]
        return scored(not wrong, f"{'has' if self.absent else 'lacks'} {wrong}" if wrong else "")


def contains(given: Mapping[str, object], _parts: Parts) -> Contains:
    """Make the metric of what must be there."""
    return Contains(_read(given), absent=False)


def not_contains(given: Mapping[str, object], _parts: Parts) -> Contains:
    """Make the metric of what must not be there."""
    return Contains(_read(given), absent=True)


def _read(given: Mapping[str, object]) -> Options:
    read = options(given, Options)
    for at, text in enumerate(read.texts):
        if not read.plain(text):
            raise Wrong(f"texts[{at}] has nothing that counts; write more")
    return read

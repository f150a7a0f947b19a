"""`label_match`: the answer is taken for one of several labels, and it is the right one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_uppercase

from msgspec import Struct

from trimtab.domain.yaml_tree import Wrong
from trimtab.evals.case import Case
from trimtab.evals.judging import Judge
from trimtab.evals.metrics.base import (
    NO_EXPECTED,
    About,
    Answer,
    Need,
    Parts,
    Score,
    failed,
    options,
    scored,
)
from trimtab.evals.metrics.pattern import Found, compiled
from trimtab.evals.metrics.words import Flags

UNKNOWN = "?"
"""The label of an answer that is taken for none, or for several."""

_ALIKE = Flags(casefold=True, strip_punctuation=True)
_LETTER = re.compile(r"\s*(?:\(([A-Za-z])\)|([A-Za-z])(?=[).:]|\s*\Z))")


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """The labels, each with a pattern or none; without them a case has choices, or a text."""

    labels: tuple[str, ...] | dict[str, str] = ()


@dataclass(frozen=True, slots=True)
class LabelMatch:
    """Takes an answer for a label: by its pattern, by its whole text, or by the letter of a choice.

    Case and ASCII punctuation do not count.
    """

    labels: tuple[str, ...]
    patterns: Mapping[str, Found]

    about = About(name="label_match", needs=frozenset({Need.EXPECTED}))

    async def score(self, case: Case, answer: Answer, _judge: Judge) -> Score:
        """See `Metric.score`."""
        if not case.accepted:
            return NO_EXPECTED
        labels = self.labels or case.choices or case.accepted
        if not set(labels) & set(case.accepted):
            return failed("unknown_label", "what is expected is none of the labels; add it there")
        label = self._label(labels, case, answer.text)
        return scored(label in case.accepted, label=label)

    def _label(self, labels: tuple[str, ...], case: Case, text: str) -> str:
        if self.patterns:
            found = [label for label, found in self.patterns.items() if found(text)]
        else:
            said = _ALIKE.plain(text)
            found = [label for label in labels if _ALIKE.plain(label) == said]
        if not found and (letter := _LETTER.match(text)) is not None:
            at = ascii_uppercase.index((letter[1] or letter[2]).upper())
            found = list(case.choices[at : at + 1])
        return found[0] if len(found) == 1 else UNKNOWN


def label_match(given: Mapping[str, object], _parts: Parts) -> LabelMatch:
    """Make the metric. Raises `Wrong`."""
    labels = options(given, Options).labels
    if UNKNOWN in labels:
        raise Wrong(f"{UNKNOWN!r} is the label of what is none; choose another")
    if isinstance(labels, tuple):
        return LabelMatch(labels, {})
    return LabelMatch(tuple(labels), {it: compiled(pattern) for it, pattern in labels.items()})

"""Which answers a rater is shown, in which order, and nothing that could sway them.

Neither score nor arm is told. Everybody gets the same answers first, in a block of so many, so
that people can be compared with each other; within a block each has an order of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

import msgspec

from trimtab.domain.errors import NotFound
from trimtab.domain.prompt import digest
from trimtab.evals.labels import Label, in_force
from trimtab.evals.result import Arm, CaseSeen, Run, Sample
from trimtab.evals.scale import Asked, Choice, judged_metrics, judged_value

BLOCK = 25


class Part(NamedTuple):
    """One text that a rater reads."""

    name: str
    text: str
    answer: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """An answer to be labelled.

    Attributes:
        texts: The answer; of two, the candidate's comes first.
        retrieved: The texts that it was made of; `None` if nobody knows.
        judged: What the judge said, which no rater is told.
    """

    case: CaseSeen
    texts: tuple[str, ...]
    answer_hash: str
    retrieved: tuple[str, ...] | None
    judged: float

    @property
    def key(self) -> tuple[str, str]:
        """Case and answer."""
        return (self.case.id, self.answer_hash)


def asked_of(run: Run, metric: str) -> Asked:
    """Give what a run has set of a judged metric. Raises `NotFound` if it has none such."""
    judged = judged_metrics(run.metrics, run.settings)
    if metric not in judged:
        known = ", ".join(judged) or "none"
        raise NotFound(
            f"no judge decides {metric[:80]!r} in run '{run.run_id}'; choose of: {known}"
        )
    return judged[metric]


def items_of(run: Run, metric: str, asked: Asked) -> tuple[Item, ...]:
    """Give every answer that the judge has scored, once each, in the order of the run."""
    cases = {it.id: it for it in run.cases}
    pairs = asked.scale.compares
    others = {(it.case, it.index): it for it in run.samples if it.arm is Arm.BASELINE}
    found = dict[tuple[str, str], Item]()
    for it in sorted(run.samples, key=lambda it: (it.arm is Arm.BASELINE, it.index)):
        score = it.scores.get(metric)
        case = cases.get(it.case)
        other = others.get((it.case, it.index)) if pairs else None
        if score is None or case is None:
            continue
        if pairs and (other is None or it.arm is Arm.BASELINE):
            continue
        value = judged_value(asked.metric, score)
        if value is not None:
            item = _item(case, it, other, value)
            found.setdefault(item.key, item)
    return tuple(found.values())


def _item(case: CaseSeen, sample: Sample, other: Sample | None, judged: float) -> Item:
    texts = (sample.text,) if other is None else (sample.text, other.text)
    hashed = sample.answer_hash
    if other is not None:
        hashed = digest(f"{sample.answer_hash} {other.answer_hash}")
    return Item(case, texts, hashed, sample.retrieved, judged)


def order_of(items: Iterable[Item], metric: str, rater: str) -> list[Item]:
    """Put items in the order that a rater gets them; first answers of all cases come first."""
    by_chance = sorted(items, key=lambda it: _chance(metric, *it.key))
    seen = dict[str, int]()
    turns = list[tuple[int, Item]]()
    for it in by_chance:
        turn = seen[it.case.id] = seen.get(it.case.id, -1) + 1
        turns.append((turn, it))
    turns.sort(key=lambda it: it[0])
    shared = [it for _, it in turns]
    blocks = [shared[at : at + BLOCK] for at in range(0, len(shared), BLOCK)]
    return [
        it
        for block in blocks
        for it in sorted(block, key=lambda it: _chance(metric, rater, *it.key))
    ]


def _chance(*words: str) -> bytes:
    return sha256("\n".join(words).encode()).digest()


@dataclass(frozen=True, slots=True)
class Session:
    """One rater at one metric of one run.

    Attributes:
        said: What the rater has said of each answer, oldest first; `None`: taken back, skipped.
    """

    metric: str
    asked: Asked
    rater: str
    items: Sequence[Item]
    said: Mapping[tuple[str, str], float | None]

    @property
    def labelled(self) -> int:
        """How many answers have a value."""
        return sum(self.said.get(it.key) is not None for it in self.items)

    @property
    def skipped(self) -> Sequence[Item]:
        """What was shown and has no value."""
        return [it for it in self.items if self.said.get(it.key, 0.0) is None]

    @property
    def following(self) -> Item | None:
        """What comes next; `None` if everything was shown."""
        return next((it for it in self.items if it.key not in self.said), None)

    @property
    def latest(self) -> Item | None:
        """What was labelled last."""
        known = {it.key: it for it in self.items}
        keys = [key for key, value in self.said.items() if value is not None and key in known]
        return known[keys[-1]] if keys else None

    def find(self, case_id: str, answer_hash: str) -> Item:
        """Find an answer. Raises `NotFound`."""
        for it in self.items:
            if it.key == (case_id, answer_hash):
                return it
        raise NotFound(f"the run has no such answer to case {case_id[:80]!r}; begin again")

    def parts(self, item: Item) -> list[Part]:
        """Give what the judge saw, from the top; which of two answers is first is by chance."""
        scale, case = self.asked.scale, item.case
        found = [Part(name, _text(value)) for name, value in case.input.items()]
        if "rubric" in self.asked.options:
            found.append(Part("rubric", _text(self.asked.options["rubric"])))
        if scale.expected and case.expected is not None:
            found.append(Part("expected", _text(case.expected)))
        if scale.texts:
            texts = item.retrieved or ()
            found += (Part(f"text {at}", it) for at, it in enumerate(texts, 1))
        texts = item.texts[::-1] if self._swapped(item) else item.texts
        names = ("the first answer", "the second answer") if len(texts) > 1 else ("answer",)
        return [*found, *(Part(*it, answer=True) for it in zip(names, texts, strict=True))]

    def choices(self, item: Item) -> tuple[Choice, ...]:
        """Give what may be said; of two answers in terms of places."""
        if not self.asked.scale.compares:
            return self.asked.scale.choices
        lost, tie, won = self.asked.scale.choices
        first, second = (lost, won) if self._swapped(item) else (won, lost)
        return (
            Choice("1", first.value, "the first"),
            Choice("2", tie.value, "neither"),
            Choice("3", second.value, "the second"),
        )

    def label(self, item: Item, value: float | None, now_us: int) -> Label:
        """Make the label of an answer; `None` takes back, or skips."""
        return Label(
            case_id=item.case.id,
            answer_hash=item.answer_hash,
            metric=self.metric,
            rater=self.rater,
            value=value,
            at=datetime.fromtimestamp(now_us / 1e6, UTC),
        )

    def _swapped(self, item: Item) -> bool:
        if not self.asked.scale.compares:
            return False
        return bool(_chance("swap", self.rater, *item.key)[0] & 1)


def session(run: Run, metric: str, rater: str, labels: Iterable[Label]) -> Session:
    """Begin, or go on. Raises `NotFound` if no judge decides the metric."""
    asked = asked_of(run, metric)
    said = {
        (it.case_id, it.answer_hash): it.value
        for it in in_force(labels).values()
        if (it.metric, it.rater) == (metric, rater)
    }
    items = order_of(items_of(run, metric, asked), metric, rater)
    return Session(metric, asked, rater, items, said)


def _text(value: object) -> str:
    """Write a member of a case, which is any JSON."""
    if isinstance(value, str):
        return value
    return msgspec.json.format(msgspec.json.encode(value)).decode()

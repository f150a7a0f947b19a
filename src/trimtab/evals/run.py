"""Running a suite: every case in both arms, scored as answers come, repeated where arms differ.

As many cases are under way as calls may run at once, and each is asked in both arms in the same
moment, so that a provider which changes meanwhile changes for both.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import asdict, replace

from trimtab.domain.clock import Clock
from trimtab.domain.errors import TryLater
from trimtab.evals.answering import Said
from trimtab.evals.calling import JUDGE, place_of
from trimtab.evals.case import Case
from trimtab.evals.flipped import flipped
from trimtab.evals.journal import Answered, Head, Journal, Judged, Line, Scored
from trimtab.evals.judging import Fault, Nobody, first_of
from trimtab.evals.metrics.base import (
    Answer,
    Need,
    Score,
    Status,
    failed,
    not_applicable,
)
from trimtab.evals.purse import Purse
from trimtab.evals.result import Arm, Run, Sample, Stop
from trimtab.evals.work import Work, document

Place = tuple[str, Arm, int]


class Runner:
    """Runs a suite once, from wherever its journal ends.

    State: the answers so far with their scores, and lines that are written once it is known that
    somebody is there: what nobody answered is asked again by the run that goes on.
    """

    def __init__(
        self,
        work: Work,
        journal: Journal,
        purse: Purse,
        clock: Clock,
        *,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> None:
        self._work = work
        self._settings = {it.name: it for it in work.suite.metrics}
        self._journal = journal
        self._purse = purse
        self._clock = clock
        self._progress = progress
        self._samples: dict[Place, Sample] = {}
        self._doubtful: list[Answered | Scored] = []
        self._done = 0

    async def run(self, at_once: int) -> Run:
        """Run all that is not done yet, with so many cases under way, and tell what came of it.

        Raises:
            OSError: the journal cannot be written.
        """
        self._take_up(self._journal.lines())
        left = iter(self._work.suite.cases)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(at_once, len(self._work.suite.cases))):
                    _ = group.create_task(self._work_on(left))
        except* OSError as exc:
            errors = exc
        else:
            self._end()
            return document(self._work, self._samples.values(), self._purse, self._clock.now_us())
        raise first_of(errors)

    def paid(self, nano: int | None) -> None:
        """Write down that a call of a judge was paid for."""
        self._journal.append(Judged(nano))

    def _take_up(self, lines: Iterable[Line]) -> None:
        begun = False
        for line in lines:
            match line:
                case Head():
                    begun = True
                case Answered(sample):
                    self._samples[_place(sample)] = sample
                    if sample.cost_nano or not sample.error:
                        self._purse.pay(sample.cost_nano, judging=False)
                case Scored():
                    self._add_score(line)
                case Judged(nano):
                    self._purse.pay(nano, judging=True)
        if not begun:
            self._journal.append(self._work.head)

    async def _work_on(self, left: Iterator[Case]) -> None:
        repeats = self._work.suite.repeats
        for case in left:
            await self._ask(case, range(repeats.first))
            if repeats.max > repeats.first and self._flipped(case):
                await self._ask(case, range(repeats.first, repeats.max))
            if self._purse.stopped is not None:
                return
            self._done += 1
            self._progress(self._done)

    async def _ask(self, case: Case, indexes: range) -> None:
        sides = self._work.sides.values()
        async with asyncio.TaskGroup() as group:
            for index in indexes:
                if not index or all(it.can(case.id, index) for it in sides):
                    _ = group.create_task(self._ask_both(case, index))

    async def _ask_both(self, case: Case, index: int) -> None:
        async with asyncio.TaskGroup() as group:
            asked = {
                arm: group.create_task(self._ask_one(case, arm, index))
                for arm, side in self._work.sides.items()
                if side.can(case.id, index)
            }
        answers = {arm: it.result() for arm, it in asked.items()}
        candidate, baseline = answers[Arm.CANDIDATE], answers.get(Arm.BASELINE)
        if candidate is None or None in answers.values():
            return
        text = None if baseline is None or baseline.error else baseline.text
        await self._score(case, candidate, text, compared=True)

    async def _ask_one(self, case: Case, arm: Arm, index: int) -> Sample | None:
        sample = await self._answer(case, (case.id, arm, index))
        if sample is not None:
            await self._score(case, sample, None, compared=False)
        return sample

    async def _answer(self, case: Case, place: Place) -> Sample | None:
        """Give an answer; `None` if the run was stopped before it was asked for."""
        _, arm, index = place
        side = self._work.sides[arm]
        found = self._samples.get(place) or side.known.get((case.id, index))
        if found is not None:
            self._samples[place] = found
            return found
        if side.answering is None or self._purse.stopped is not None:
            return None
        try:
            told = await side.answering.answer(
                case, place=place_of(self._work.head.run_id, case.id, arm, index)
            )
        except TryLater as exc:
            if self._purse.stopped is not None:
                return None
            told = Said(error=exc.code, error_detail=str(exc), missed=True)
        members = asdict(told)
        missed: bool = members.pop("missed")
        sample = Sample(case=case.id, arm=arm, index=index, **members)
        self._samples[place] = sample
        self._write(Answered(sample), doubtful=missed)
        return sample

    async def _score(
        self, case: Case, sample: Sample, baseline: str | None, *, compared: bool
    ) -> None:
        """Score by the metrics that compare with the baseline, or by all the others."""
        async with asyncio.TaskGroup() as group:
            for name, metric in self._work.metrics.items():
                wanted = (Need.BASELINE in metric.about.needs) is compared
                if wanted and name not in self._samples[_place(sample)].scores:
                    _ = group.create_task(self._score_by(name, case, sample, baseline))

    async def _score_by(self, name: str, case: Case, sample: Sample, baseline: str | None) -> None:
        score = await self._scored(name, case, sample, baseline)
        # Once a run was stopped, nobody answers its judge: such a score is to be made later.
        if score.status is Status.ERROR and self._purse.stopped is not None:
            return
        line = Scored(
            case=sample.case, arm=sample.arm, index=sample.index, metric=name, score=score
        )
        self._add_score(line)
        self._write(line, doubtful=bool(sample.error) or score.code == Fault.UNAVAILABLE)

    async def _scored(self, name: str, case: Case, sample: Sample, baseline: str | None) -> Score:
        if not self._settings[name].applies(case):
            return not_applicable("the suite does not ask it of this case")
        if sample.error:
            return failed(sample.error, sample.error_detail)
        answer = Answer(
            text=sample.text,
            retrieved=sample.retrieved,
            cost_nano=sample.cost_nano,
            latency_s=sample.latency_s,
            output_tokens=sample.output_tokens,
            baseline=baseline,
        )
        place = place_of(self._work.head.run_id, case.id, JUDGE, sample.index)
        judging = self._work.judging
        judge = Nobody() if judging is None else judging.at(place)
        return await self._work.metrics[name].score(case, answer, judge)

    def _flipped(self, case: Case) -> bool:
        one, other = (self._samples.get((case.id, arm, 0)) for arm in (Arm.CANDIDATE, Arm.BASELINE))
        if one is None or other is None:
            return False
        return flipped(self._work.metrics, one.scores, other.scores)

    def _add_score(self, line: Scored) -> None:
        place = (line.case, line.arm, line.index)
        sample = self._samples.get(place)
        if sample is None:
            # Of a known answer, which the journal does not have.
            side = self._work.sides.get(line.arm)
            sample = side.known.get((line.case, line.index)) if side is not None else None
        if sample is not None:
            scores = {**sample.scores, line.metric: line.score}
            self._samples[place] = replace(sample, scores=scores)

    def _write(self, line: Answered | Scored, *, doubtful: bool) -> None:
        """Write a line; one that nobody answered waits until somebody answers another."""
        alive = not self._purse.unanswered and self._purse.stopped is None
        if doubtful and not alive:
            self._doubtful.append(line)
            return
        if alive:
            for it in self._doubtful:
                self._journal.append(it)
            self._doubtful.clear()
        self._journal.append(line)

    def _end(self) -> None:
        """Decide on answers that nobody gave: errors of a run that is through, else still to do."""
        missed = {_place(it.sample) for it in self._doubtful if isinstance(it, Answered)}
        if missed and missed == self._samples.keys():
            self._purse.stop(Stop.PROVIDER)
        for line in self._doubtful:
            if self._purse.stopped is None:
                self._journal.append(line)
            elif isinstance(line, Scored):
                self._take_back(line)
        if self._purse.stopped is not None:
            self._samples = {it: found for it, found in self._samples.items() if it not in missed}

    def _take_back(self, line: Scored) -> None:
        place = (line.case, line.arm, line.index)
        sample = self._samples[place]
        left = {name: it for name, it in sample.scores.items() if name != line.metric}
        self._samples[place] = replace(sample, scores=left)


def _place(sample: Sample) -> Place:
    return sample.case, sample.arm, sample.index

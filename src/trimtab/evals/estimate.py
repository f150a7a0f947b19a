"""What a run will cost, before it has cost anything.

Where the suite ran before, an answer costs what it cost on average then. Else its tokens are
guessed: the text at four bytes a token, and answers of middle length.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from trimtab.evals.case import Case
from trimtab.evals.judging import judge_prompts
from trimtab.evals.metrics.base import Metric, Need
from trimtab.evals.result import Arm, Run, Subject
from trimtab.evals.suite import Suite

BYTES_PER_TOKEN = 4
ANSWER_TOKENS = 200
VERDICT_TOKENS = 200


Prices = Callable[[str, int, int], int | None]
"""Prices tokens read and written by a model as apps name it, in nano-USD; `None` is unknown."""


class Estimate(Struct, frozen=True, kw_only=True):
    """What a run will likely cost.

    Attributes:
        candidate_nano: What answers cost, of both arms; `None` is unknown.
        judge_nano: What verdicts cost, if none is remembered.
        basis: The run that answers were taken to cost as much as in; `None` is a guess.
    """

    answers: int
    verdicts: int
    candidate_nano: int | None
    judge_nano: int | None
    basis: str | None = None

    @property
    def nano(self) -> int | None:
        """All of it."""
        if self.candidate_nano is None or self.judge_nano is None:
            return None
        return self.candidate_nano + self.judge_nano


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an arm has still to answer.

    Attributes:
        text: What goes along with every case: the text of the prompt.
        answers: How many are to be made.
        through_gateway: Whether we make its calls; what others call nobody can foretell.
    """

    subject: Subject
    text: str
    model: str
    answers: int
    through_gateway: bool


def estimate(
    suite: Suite,
    metrics: Mapping[str, Metric],
    arms: Sequence[Asked],
    prices: Prices,
    before: Iterable[Run],
) -> Estimate:
    """Estimate a run without repeats beyond the first samples."""
    known = [it for it in before if it.suite == suite.name]
    candidate, bases = 0, list[str | None]()
    unknown = False
    for arm in arms:
        if not arm.through_gateway or not arm.answers:
            continue
        seen = next((it for it in (_mean(run, arm) for run in known) if it is not None), None)
        each = _guess(suite.cases, arm, prices) if seen is None else seen[0]
        bases.append(None if seen is None else seen[1])
        unknown = unknown or each is None
        candidate += round((each or 0) * arm.answers)
    answers = sum(it.answers for it in arms)
    calls, judged = _verdicts(suite, metrics, answers, prices)
    basis = bases[0] if bases and all(bases) else None
    return Estimate(
        answers=answers,
        verdicts=calls,
        candidate_nano=None if unknown else candidate,
        judge_nano=judged,
        basis=basis,
    )


def _mean(run: Run, arm: Asked) -> tuple[float, str] | None:
    """Tell what an answer of the same prompt and model cost on average in a run."""
    for side, subject in ((Arm.CANDIDATE, run.candidate), (Arm.BASELINE, run.baseline)):
        if subject is None or (subject.prompt, subject.model) != (
            arm.subject.prompt,
            arm.subject.model,
        ):
            continue
        costs = [it.cost_nano for it in run.samples if it.arm is side and it.cost_nano is not None]
        if costs:
            return sum(costs) / len(costs), run.run_id
    return None


def _guess(cases: Sequence[Case], arm: Asked, prices: Prices) -> float | None:
    texts = sum(len(str(it.input).encode()) + sum(map(len, it.contexts or ())) for it in cases)
    read = len(arm.text.encode()) + texts // max(1, len(cases))
    return prices(arm.model, read // BYTES_PER_TOKEN, ANSWER_TOKENS)


def _verdicts(
    suite: Suite, metrics: Mapping[str, Metric], answers: int, prices: Prices
) -> tuple[int, int | None]:
    """Count the calls of a judge and price them, each with all that a case can show it."""
    texts = judge_prompts()
    prompts = [
        (texts.get(name, ""), 2 if Need.BASELINE in metric.about.needs else 1)
        for metric in metrics.values()
        for name in metric.about.prompts
    ]
    calls = sum(times for _, times in prompts) * answers
    if not calls or suite.judge is None:
        return calls, 0
    shown = sum(len(it.question) + sum(map(len, it.contexts or ())) for it in suite.cases)
    of_case = shown // max(1, len(suite.cases)) // BYTES_PER_TOKEN + ANSWER_TOKENS
    total = 0
    for text, times in prompts:
        each = prices(suite.judge.model, len(text) // BYTES_PER_TOKEN + of_case, VERDICT_TOKENS)
        if each is None:
            return calls, None
        total += each * times * answers
    return calls, total

"""What every metric is: it looks at a case and an answer, and gives a score, or says why not."""

import math
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

import msgspec
from msgspec import Struct

from trimtab.domain.errors import TrimtabError
from trimtab.evals.case import Case
from trimtab.evals.judging import Judge, JudgeError

MOST_DETAIL = 2000

P = ParamSpec("P")
T = TypeVar("T")


class Status(StrEnum):
    """What became of scoring."""

    SCORED = "scored"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


class Need(StrEnum):
    """What a metric cannot do without."""

    EXPECTED = "expected"
    CONTEXTS = "contexts"
    JUDGE = "judge"
    EMBEDDER = "embedder"
    BASELINE = "baseline"


class Direction(StrEnum):
    """Which scores are better. Where lower ones are, they have a unit and no upper bound."""

    HIGHER = "higher"
    LOWER = "lower"


class Score(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a metric says about an answer: a value, or why there is none, and never both.

    Attributes:
        value: 0 to 1 where higher is better, else at least 0 in the unit of the metric.
        code: Stable name of an error.
        detail: Why, for people; may hold what the candidate said.
        label: What the answer was taken for, where answers are of kinds.
    """

    status: Status
    value: float | None = None
    code: str = ""
    detail: str = ""
    label: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no score."""
        if (self.status is Status.SCORED) == (self.value is None):
            raise ValueError("a score has a value exactly if it is scored")
        if self.value is not None and not (math.isfinite(self.value) and self.value >= 0):
            raise ValueError("the value of a score is finite and not negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a candidate answered. What is not known is `None`.

    Attributes:
        retrieved: The texts that it had before it.
        baseline: What the other arm answered to the same case.
    """

    text: str
    retrieved: tuple[str, ...] | None = None
    cost_nano: int | None = None
    latency_s: float | None = None
    output_tokens: int | None = None
    baseline: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a metric before it scores.

    Attributes:
        version: Changes when its scores do.
        prompts: Names of the judge prompts that it uses.
    """

    name: str
    version: str = "1"
    needs: frozenset[Need] = frozenset()
    direction: Direction = Direction.HIGHER
    prompts: tuple[str, ...] = ()


class Metric(Protocol):
    """Scores answers."""

    @property
    def about(self) -> About:
        """What is known of it."""
        ...

    def score(self, case: Case, answer: Answer, judge: Judge, /) -> Coroutine[Any, Any, Score]:
        """Score an answer; what goes wrong is a score of status error."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors. `model` is part of what a score means."""

    @property
    def model(self) -> str:
        """The model, with its version."""
        ...

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Give a vector for each text. Raises `JudgeError` if there are none."""
        ...


class Heard(Struct, frozen=True, kw_only=True):
    """What ragas says of a score: a question, texts to make vectors of, or how it ended."""

    id: int
    prompt: str = ""
    shape: str = ""
    texts: tuple[str, ...] | None = None
    value: float | None = None
    failed: str | None = None


class Dialogue(Protocol):
    """The way to ragas and back, of one score."""

    async def tell(self, **members: object) -> None:
        """Say something."""
        ...

    async def hear(self) -> Heard:
        """Wait for what it says; that it ended is a failure, too."""
        ...


class Ragas(Protocol):
    """A process of ragas."""

    def dialogue(self) -> AbstractAsyncContextManager[Dialogue]:
        """Begin one; what ends it early is told to the other side."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What metrics are made of beside their options.

    Attributes:
        folder: Where files that options name are.
    """

    folder: Path = Path()
    embedder: Embedder | None = None
    ragas: Ragas | None = None


def options(given: Mapping[str, object], kind: type[T]) -> T:
    """Read the options of a metric. Raises `msgspec.ValidationError`."""
    return msgspec.convert(given, type=kind, strict=True)


class NoOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Of a metric that takes none."""


def scored(value: float, detail: str = "", *, label: str | None = None) -> Score:
    """Give a value."""
    return Score(status=Status.SCORED, value=float(value), detail=detail[:MOST_DETAIL], label=label)


def not_applicable(why: str) -> Score:
    """Say that there is nothing to judge."""
    return Score(status=Status.NOT_APPLICABLE, detail=why)


def failed(code: str, why: str) -> Score:
    """Say that there was something to judge, and that it could not be."""
    return Score(status=Status.ERROR, code=code, detail=why[:MOST_DETAIL])


def attempted(scoring: Callable[P, Awaitable[Score]]) -> Callable[P, Coroutine[Any, Any, Score]]:
    """Have a score whose judge gives no verdict be an error beside the scores, and no score."""

    @wraps(scoring)
    async def attempt(*given: P.args, **named: P.kwargs) -> Score:
        try:
            return await scoring(*given, **named)
        except JudgeError as exc:
            return failed(exc.fault, str(exc))
        except TrimtabError as exc:
            return failed(exc.code, str(exc))

    return attempt


def contexts(case: Case, answer: Answer) -> tuple[str, ...] | None:
    """Give the texts that the candidate had before it; `None` if nobody knows."""
    return answer.retrieved if answer.retrieved is not None else case.contexts


NO_EXPECTED = not_applicable("the case has no expected text")
NO_CONTEXTS = failed(
    "no_contexts", "nobody knows which contexts the answer was made of; return `retrieved`"
)
NO_EMBEDDER = failed("no_embedder", "there is no embedding model; name one in `judge.embeddings`")

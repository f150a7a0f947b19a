"""Asking a judge: what metrics ask, and what they get back.

A metric makes a `Question` and gets the verdict, read and checked, or a `JudgeError`. Who renders
the prompt, calls the model and keeps answers is behind `Judge`.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Generic, Protocol, TypeVar, cast

import msgspec
from msgspec import Struct

from trimtab.domain.errors import TrimtabError
from trimtab.domain.prompt import canonical

PROMPT_SUFFIX = ".prompt.yaml"

E = TypeVar("E", bound=Exception)
V = TypeVar("V", bound=Struct)
T_co = TypeVar("T_co", bound="Indexed", covariant=True)

_FENCE = re.compile(r"\s*```(?:json)?[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL)


class Fault(StrEnum):
    """Why there is no verdict."""

    TRUNCATED = "judge_truncated"
    UNREADABLE = "judge_unreadable"
    REFUSED = "judge_refused"
    UNAVAILABLE = "judge_unavailable"


class JudgeError(Exception):
    """There is no verdict. It becomes an error beside the scores, and never a score."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class Unreadable(Exception):
    """What the judge said is no verdict on what was asked; the message says why."""


class Indexed(Protocol):
    """A verdict on one of several things."""

    @property
    def index(self) -> int:
        """Which of them, from 1."""
        ...


class Verdicts(Struct, Generic[T_co], frozen=True):
    """One verdict for each of several things."""

    verdicts: tuple[T_co, ...]


def _anything(_verdict: Struct) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[V]):
    """What a judge is asked.

    Attributes:
        step: What of which metric it is for, as `faithfulness/verify`.
        prompt: Name of the judge prompt.
        candidate: Those variables that hold what the candidate said.
        verdict: The members of the answer.
        check: Says what is wrong with an answer whose members are right; `None` if nothing is.
        sample_index: Tells apart samples of one question, from 0.
    """

    step: str
    prompt: str
    variables: Mapping[str, object]
    candidate: tuple[str, ...]
    verdict: type[V]
    check: Callable[[V], str | None] = _anything
    sample_index: int = 0

    @property
    def candidate_text(self) -> str:
        """All that the candidate said, as one text to be hashed."""
        return canonical({it: self.variables[it] for it in self.candidate})

    def read(self, text: str) -> V:
        """Read an answer: one JSON value, which may stand in a fence.

        Raises:
            Unreadable: it is none, or not what was asked.
        """
        fenced = _FENCE.fullmatch(text)
        try:
            verdict = msgspec.json.decode(fenced[1] if fenced else text, type=self.verdict)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            raise Unreadable(str(exc)) from exc
        fault = self.check(verdict)
        if fault is not None:
            raise Unreadable(fault)
        return verdict


class Judge(Protocol):
    """Gives verdicts."""

    async def ask(self, question: Question[V]) -> V:
        """Answer a question as `question.read` reads it; what cannot be read is asked once more.

        Raises:
            JudgeError: there is no verdict.
        """
        ...


class Nobody:
    """See `Judge`; the judge of a run that has none, who gives no verdict on anything."""

    async def ask(self, question: Question[V]) -> V:
        """See `Judge.ask`."""
        raise JudgeError(
            Fault.UNAVAILABLE, f"nobody judges {question.step}; name a model in `judge.model`"
        )


async def ask_all(judge: Judge, questions: Sequence[Question[V]]) -> list[V]:
    """Ask several questions at once; where one has no verdict, the others are given up.

    Raises:
        JudgeError: one has none.
        TrimtabError: one could not be asked.
    """
    try:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(judge.ask(it)) for it in questions]
    except* (JudgeError, TrimtabError) as exc:
        errors = exc
    else:
        return [it.result() for it in asked]
    raise first_of(errors)


def first_of(group: ExceptionGroup[E]) -> E:
    """Give the first error of a group, however deep in groups."""
    first = group.exceptions[0]
    if isinstance(first, ExceptionGroup):
        return first_of(cast("ExceptionGroup[E]", first))
    return first


def one_to_one(count: int) -> Callable[[Verdicts[Indexed]], str | None]:
    """Insist on a verdict for each of several things, and on no other."""

    def check(said: Verdicts[Indexed]) -> str | None:
        if [it.index for it in said.verdicts] == list(range(1, count + 1)):
            return None
        return f"give exactly {count} verdicts, with index 1 to {count} in this order"

    return check


def numbered(texts: Sequence[str]) -> list[dict[str, object]]:
    """Number texts from 1, for a variable of a judge prompt."""
    return [{"index": number, "text": text} for number, text in enumerate(texts, 1)]


def judge_prompts() -> Mapping[str, str]:
    """Give the files of the judge prompts, by the name of the prompt."""
    folder = files("trimtab.evals") / "judges"
    return {
        it.name.removesuffix(PROMPT_SUFFIX): it.read_text("utf-8")
        for it in sorted(folder.iterdir(), key=lambda it: it.name)
        if it.name.endswith(PROMPT_SUFFIX)
    }

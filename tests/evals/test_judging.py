import asyncio

import pytest
from msgspec import Struct

from trimtab.evals.judging import (
    Fault,
    JudgeError,
    Question,
    Unreadable,
    Verdicts,
    ask_all,
    judge_prompts,
    numbered,
    one_to_one,
)
from trimtab.testing import ScriptedJudge


class Rated(Struct, frozen=True):
    reason: str
    score: int


class Item(Struct, frozen=True):
    index: int


def question(step: str = "a/b") -> Question[Rated]:
    return Question(
        step=step,
        prompt="p",
        variables={"answer": "x", "other": 1},
        candidate=("answer",),
        verdict=Rated,
        check=lambda it: None if it.score < 6 else "give less",
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"reason": "r", "score": 5}',
        '\n {"score": 5, "reason": "r", "more": 1}\n',
        '```json\n{"reason": "r", "score": 5}\n```',
        '```\n{"reason": "r", "score": 5}\n```\n',
    ],
)
def test_a_verdict_is_one_json_value_that_may_stand_in_a_fence(text: str) -> None:
    assert question().read(text) == Rated("r", 5)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "truncated"),
        ("5", "Expected `object`"),
        ('{"reason": "r", "score": "5"}', "Expected `int`"),
        ('{"reason": "r", "score": 4.5}', "Expected `int`"),
        ('{"score": 5}', "missing required field `reason`"),
        ('{"reason": "r", "score": 6}', "give less"),
        ('{"reason": "r", "score": 5} {"reason": "r", "score": 1}', "trailing characters"),
        ('Sure! {"reason": "r", "score": 5}', "malformed"),
        ('{"reason": "r", "score": 5', "truncated"),
        ('{"reason": "\ud800", "score": 5}', "surrogates"),
        ('{"more": ' + "[" * 100_000, "recursion"),
    ],
)
def test_anything_else_is_no_verdict(text: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        question().read(text)


def test_what_the_candidate_said_is_told_from_what_it_was_asked() -> None:
    assert question().candidate_text == '{"answer":"x"}'


def test_verdicts_match_what_was_asked_one_to_one() -> None:
    assert one_to_one(2)(Verdicts((Item(1), Item(2)))) is None
    for wrong in ([1], [1, 2, 3], [2, 1], [1, 1], [0, 1], []):
        assert one_to_one(2)(Verdicts(tuple(map(Item, wrong)))) is not None
    assert one_to_one(0)(Verdicts(())) is None
    assert numbered(["a", "b"]) == [{"index": 1, "text": "a"}, {"index": 2, "text": "b"}]


async def test_what_cannot_be_read_is_asked_once_more_and_then_given_up() -> None:
    judge = ScriptedJudge({"a/b": ["no", '{"reason": "r", "score": 1}', "no", "no"]})

    assert await judge.ask(question()) == Rated("r", 1)
    with pytest.raises(JudgeError) as failed:
        await judge.ask(question())

    assert failed.value.fault is Fault.UNREADABLE
    assert len(judge.asked) == 4


async def test_several_questions_are_asked_at_once_and_answered_in_order() -> None:
    judge = ScriptedJudge({it: [f'{{"reason": "{it}", "score": 1}}'] for it in ("a", "b")})

    verdicts = await ask_all(judge, [question("a"), question("b")])

    assert [it.reason for it in verdicts] == ["a", "b"]


class Slow:
    """A judge that fails at once for one question, and never answers another."""

    def __init__(self) -> None:
        self.given_up = False

    async def ask(self, question: Question[Rated]) -> Rated:
        if question.step == "a":
            raise JudgeError(Fault.REFUSED, "no")
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up = True
        raise AssertionError


async def test_where_one_has_no_verdict_the_others_are_given_up() -> None:
    judge = Slow()

    with pytest.raises(JudgeError, match="no"):
        await ask_all(judge, [question("b"), question("a")])  # pyright: ignore[reportArgumentType]

    assert judge.given_up


def test_there_are_judge_prompts_in_the_package() -> None:
    assert all(text.startswith(f"name: {name}\n") for name, text in judge_prompts().items())
    assert len(judge_prompts()) == 9

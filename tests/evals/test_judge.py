"""The judge behind a gateway: what it is asked, what is taken for a verdict, what is remembered."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace
from tests.evals.gateways import (
    MODEL,
    OURS,
    PLACE,
    ChatGateway,
    compiled,
    completion,
    judge_of,
    kept,
    refused,
)

from trimtab.domain.prompt import canonical, digest
from trimtab.evals.cache import VERSION, Cache, Key
from trimtab.evals.calling import Reply
from trimtab.evals.judge import key_of
from trimtab.evals.judging import Fault, JudgeError, Question, judge_prompts
from trimtab.evals.metrics.rubric import Grade
from trimtab.evals.suite import JudgeSetting
from trimtab.testing import FrozenClock

RUBRIC = "judge-rubric-grade"
FIVE = '{"reason": "r", "score": 5}'
SETTING = JudgeSetting(model="judge-pinned")


def graded(answer: str = "I don't know", **members: Any) -> Question[Grade]:  # noqa: ANN401
    variables = {"question": "Is it?", "expected": ["Yes"], "rubric": "1 bad", "scale": 5}
    return Question(
        step=members.pop("step", "rubric/grade"),
        prompt=RUBRIC,
        sample_index=members.pop("sample_index", 0),
        variables=variables | members | {"answer": answer},
        candidate=("answer",),
        verdict=Grade,
        check=lambda it: None if it.score <= 5 else "give a score of 1 to 5",
    )


async def test_a_judge_is_asked_with_a_prompt_a_schema_and_its_place(tmp_path: Path) -> None:
    gateway = ChatGateway(FIVE)

    verdict = await judge_of(gateway, tmp_path).ask(graded())

    body = gateway.bodies[0]
    assert verdict == Grade("r", 5)
    assert gateway.places == [PLACE]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("judge-pinned", 0, 2048)
    assert [it["role"] for it in body["messages"]] == ["system", "user"]
    form = body["response_format"]["json_schema"]
    assert body["response_format"]["type"] == "json_schema"
    assert (form["name"], form["strict"]) == (RUBRIC, True)
    assert form["schema"]["required"] == ["reason", "score"]


async def test_what_is_sent_is_the_same_in_every_run(tmp_path: Path) -> None:
    gateway = ChatGateway(FIVE)

    for run in ("one", "two"):
        await judge_of(gateway, tmp_path / run).ask(graded())

    assert gateway.bodies[0] == gateway.bodies[1]


PLAIN = """\
name: plain
version: 1.0.0
variables:
  said: {type: string, x-trust: user, x-fence: true}
  many: {type: array, x-trust: user, x-fence: true}
  scale: {type: integer}
messages:
  - {role: system, content: "To $scale, $$ 5."}
  - {role: user, content: "$said or ${many}"}
"""


def test_whoever_changes_how_prompts_are_rendered_raises_the_version_of_the_cache() -> None:
    values = {"said": "a", "many": [{"b": 1.0}], "scale": 5}

    said = compiled(PLAIN).render(values, nonce=b"n" * 32)

    # Red? Then verdicts on the old text must not be found any more: see `cache.VERSION`.
    assert said.rendered_hash[:12] == "69e4f384fd92"
    assert VERSION == "v1"


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        pytest.param(completion('{"reas', finish="length"), Fault.TRUNCATED, id="cut off"),
        pytest.param(completion(FIVE, finish="length"), Fault.TRUNCATED, id="cut behind it"),
        pytest.param(completion(None, refusal="I can't"), Fault.REFUSED, id="refusal"),
        pytest.param(completion("", finish="content_filter"), Fault.REFUSED, id="filter"),
        pytest.param(completion("five"), Fault.UNREADABLE, id="prose"),
        pytest.param(completion('{"reason": "r", "score": 6}'), Fault.UNREADABLE, id="check"),
        pytest.param(completion(None), Fault.UNREADABLE, id="nothing"),
        pytest.param(Reply(status=200, body=b"{}"), Fault.UNREADABLE, id="no completion"),
        pytest.param(Reply(status=200, body=b'{"choices": []}'), Fault.UNREADABLE, id="no choice"),
        pytest.param(refused(500), Fault.UNAVAILABLE, id="down"),
    ],
)
async def test_what_is_no_verdict_is_an_error_and_is_not_remembered(
    reply: Reply, fault: Fault, tmp_path: Path
) -> None:
    with pytest.raises(JudgeError) as caught:
        await judge_of(ChatGateway(reply), tmp_path).ask(graded())

    assert caught.value.fault is fault
    assert kept(tmp_path) == []


async def test_what_cannot_be_read_is_asked_once_more_with_the_reason(tmp_path: Path) -> None:
    gateway = ChatGateway('{"reason": "r", "score": 6}', FIVE)

    verdict = await judge_of(gateway, tmp_path).ask(graded())

    assert (verdict.score, gateway.calls) == (5, 2)
    first, second = (it["messages"] for it in gateway.bodies)
    assert second[:-1] == first
    assert "give a score of 1 to 5" in second[-1]["content"]


async def test_a_repaired_answer_is_remembered_with_all_that_it_cost(tmp_path: Path) -> None:
    gateway = ChatGateway("no", FIVE)

    for _ in range(2):
        await judge_of(gateway, tmp_path).ask(graded())

    entry = json.loads(kept(tmp_path)[0].read_bytes())
    assert gateway.calls == 2
    assert (entry["cost_nano"], entry["parsed"]) == (14, {"reason": "r", "score": 5})


async def test_a_prompt_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JudgeError, match="no judge prompt"):
        await judge_of(ChatGateway(FIVE), tmp_path, prompts={}).ask(graded())


async def test_a_second_run_asks_nobody_and_says_the_same(tmp_path: Path) -> None:
    gateway = ChatGateway(FIVE)
    first, second = (judge_of(gateway, tmp_path) for _ in range(2))

    one, two = await first.ask(graded()), await second.ask(graded())

    assert (gateway.calls, one) == (1, two)
    assert (first.court.tally.remembered, second.court.tally.remembered) == (0, 1)
    assert first.court.naming.answered == second.court.naming.answered == {MODEL}


async def test_equal_questions_at_once_are_one_call(tmp_path: Path) -> None:
    gateway = ChatGateway(FIVE)
    judge = judge_of(gateway, tmp_path)

    got = await asyncio.gather(*(judge.ask(graded()) for _ in range(8)))

    assert (gateway.calls, {it.score for it in got}) == (1, {5})
    assert judge.court.tally.remembered == 7


KNOWN = "two cases that answer the same"
OTHER_PROMPT = judge_prompts()[RUBRIC].replace("strictly", "kindly")
OTHER_SCHEMA = judge_prompts()[RUBRIC].replace("score: {type: integer}", "score: {type: number}")
SWAPS: Mapping[str, Mapping[str, Any]] = {
    "model": {"known": "sim/judge-2026-05-01"},
    "provider": {"known": "other/judge-2026-01-15"},
    KNOWN: {"question": {"question": "Was it?"}},
    "reference": {"question": {"expected": ["No"]}},
    "rubric": {"question": {"rubric": "1 good"}},
    "scale": {"question": {"scale": 7}},
    "answer": {"question": {"answer": "I do not know"}},
    "step": {"question": {"step": "rubric/other"}},
    "sample": {"question": {"sample_index": 1}},
    "prompt": {"prompts": {RUBRIC: compiled(OTHER_PROMPT)}},
    "schema": {"prompts": {RUBRIC: compiled(OTHER_SCHEMA)}},
    "temperature": {"setting": replace(SETTING, temperature=0.5)},
    "length": {"setting": replace(SETTING, max_tokens=4096)},
}


@pytest.mark.parametrize("part", SWAPS)
async def test_whatever_is_swapped_alone_is_another_question(part: str, tmp_path: Path) -> None:
    swap = dict(SWAPS[part])
    question = graded(**swap.pop("question", {}))
    gateway = ChatGateway(
        FIVE, completion('{"reason": "r", "score": 1}', model=swap.get("known", MODEL))
    )
    await judge_of(gateway, tmp_path).ask(graded())

    verdict = await judge_of(gateway, tmp_path, **swap).ask(question)

    assert (gateway.calls, verdict.score) == (2, 1)


def _key(part: str | None) -> Key:
    swap = dict(SWAPS[part]) if part else {}
    prompts = swap.get("prompts", OURS)
    return key_of(
        graded(**swap.get("question", {})),
        prompts[RUBRIC],
        swap.get("known", MODEL),
        swap.get("setting", SETTING),
    )


def collisions(name: Callable[[Key], str]) -> set[str]:
    """Which parts could be swapped, and the name would stay."""
    return {it for it in SWAPS if name(_key(it)) == name(_key(None))}


def test_our_names_collide_over_nothing() -> None:
    assert collisions(lambda key: key.name) == set()


def test_the_key_of_ragas_leaves_out_the_model_and_is_found_out() -> None:
    # ragas 0.4.3, cache.py: what is hashed are the arguments of the call, without `self`
    def of_ragas(key: Key) -> str:
        return digest(canonical([key.judge_prompt_hash, key.candidate_output_hash, key.params]))

    assert collisions(of_ragas) >= {"model", "provider"}


def test_the_hash_of_a_template_alone_is_found_out() -> None:
    def of_template(key: Key) -> str:
        return digest(canonical([key.judge_model, key.candidate_output_hash, key.step]))

    assert collisions(of_template) >= {KNOWN, "rubric", "schema", "sample", "temperature"}


def test_texts_that_flow_together_are_still_two_questions() -> None:
    class Said(Struct, frozen=True):
        """Anything."""

    def named(**variables: object) -> str:
        said: dict[str, object] = {"contexts": [], "claims": []}
        question = Question(
            step="s", prompt="p", variables=said | variables, candidate=("claims",), verdict=Said
        )
        return key_of(question, OURS["judge-faithfulness-verify"], MODEL, SETTING).name

    assert named(contexts=["a\nb"]) != named(contexts=["a", "b"])
    assert named(claims=["a\nb"]) != named(claims=["a", "b"])


async def test_an_alias_costs_one_probe_a_run(tmp_path: Path) -> None:
    gateway = ChatGateway(FIVE)

    judges = [judge_of(gateway, tmp_path, known=None) for _ in range(2)]
    for judge in judges:
        await asyncio.gather(*(judge.ask(graded(str(it))) for it in range(3)))

    assert [it["max_tokens"] for it in gateway.bodies] == [16, 2048, 2048, 2048, 16]
    assert any("is no freezer" in it for it in judges[0].court.tally.warnings)


async def test_an_alias_that_moved_is_a_miss_and_a_warning(tmp_path: Path) -> None:
    moved = completion('{"reason": "r", "score": 1}', model="sim/judge-2026-05-01")
    first = judge_of(ChatGateway(FIVE), tmp_path, known=None)
    await first.ask(graded())
    second = judge_of(ChatGateway(moved), tmp_path, known=None)

    verdict = await second.ask(graded())

    assert verdict.score == 1
    assert second.court.naming.answered == {"sim/judge-2026-05-01"}
    assert not any("before" in it for it in first.court.tally.warnings)
    assert any(f"was '{MODEL}' before" in it for it in second.court.tally.warnings)


async def test_who_stands_in_for_a_judge_is_remembered_under_its_own_name(tmp_path: Path) -> None:
    other = completion(FIVE, model="spare/judge-2026-01-15")
    gateway = ChatGateway(other)
    judge = judge_of(gateway, tmp_path)

    await judge.ask(graded())
    await judge.ask(graded())

    assert gateway.calls == 2
    assert any("'spare/judge-2026-01-15' answered" in it for it in judge.court.tally.warnings)
    assert (await judge_of(gateway, tmp_path, known="spare/judge-2026-01-15").ask(graded())).score
    assert gateway.calls == 2


async def test_what_is_remembered_is_read_as_strictly_as_what_is_said(tmp_path: Path) -> None:
    gateway = ChatGateway(FIVE)
    await judge_of(gateway, tmp_path).ask(graded())
    stricter = Question(
        step="rubric/grade",
        prompt=RUBRIC,
        variables=graded().variables,
        candidate=("answer",),
        verdict=Grade,
        check=lambda it: "too much" if it.score == 5 else None,
    )

    with pytest.raises(JudgeError):
        await judge_of(gateway, tmp_path).ask(stricter)

    assert gateway.calls == 3


async def test_failures_of_a_judge_never_make_an_answer_look_better(tmp_path: Path) -> None:
    chance = Random(7)  # noqa: S311
    broken = [refused(500), completion("x" * 9), completion("", finish="length"), refused(429)]

    def say(_body: Mapping[str, Any]) -> Reply:
        is_broken = chance.random() < 0.3
        return chance.choice(broken) if is_broken else completion('{"reason": "r", "score": 2}')

    judge = judge_of(ChatGateway(say), tmp_path, cache=Cache(tmp_path, FrozenClock()))
    said = await asyncio.gather(
        *(judge.ask(graded(str(it))) for it in range(300)), return_exceptions=True
    )

    assert {it.score for it in said if isinstance(it, Grade)} == {2}
    errors = [it for it in said if not isinstance(it, Grade)]
    assert errors
    assert all(isinstance(it, JudgeError) for it in errors)
    assert len(kept(tmp_path)) == 300 - len(errors)

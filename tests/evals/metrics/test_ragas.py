"""What becomes of the scores of ragas, with one in its place that says what it is told to."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.evals.suites import suite_of

from trimtab.domain.yaml_tree import Wrong
from trimtab.evals.case import Case
from trimtab.evals.judging import Fault, JudgeError
from trimtab.evals.metrics.base import Answer, Heard, Parts, Score, Status
from trimtab.evals.metrics.ragas import KINDS, NO_RAGAS, PREFIX
from trimtab.evals.metrics.table import make_metric
from trimtab.testing import ScriptedEmbedder, ScriptedJudge

CASE = Case(id="a", input={"question": "q"}, expected="One. Two!")
ANSWER = Answer(text="The answer.", retrieved=("c1", "c2"))
EMBEDDER = ScriptedEmbedder({"q": [1, 0], "same": [2, 0]})
USEFUL = json.dumps({"reason": "r", "verdict": 1})


class ScriptedRagas:
    """Says one thing after the other. State: what it was told, and how dialogues ended."""

    def __init__(self, *says: Mapping[str, Any]) -> None:
        self.told: list[dict[str, object]] = []
        self.gone = 0
        self._says = [Heard(id=1, **it) for it in says]

    @asynccontextmanager
    async def dialogue(self) -> AsyncGenerator["ScriptedRagas"]:
        try:
            yield self
        except BaseException:
            self.gone += 1
            raise

    async def tell(self, **members: object) -> None:
        self.told.append(members)

    async def hear(self) -> Heard:
        return self._says.pop(0)


def asks(prompt: str, shape: str = "ContextPrecisionOutput") -> dict[str, str]:
    return {"prompt": prompt, "shape": shape}


async def scored(
    ragas: ScriptedRagas | None,
    judge: ScriptedJudge,
    name: str = "context_precision",
    case: Case = CASE,
    answer: Answer = ANSWER,
) -> Score:
    parts = Parts(embedder=EMBEDDER, ragas=ragas)
    return await make_metric(PREFIX + name, {}, parts).score(case, answer, judge)


def judge_of(*said: "str | Exception") -> ScriptedJudge:
    return ScriptedJudge({"ragas:context_precision/ContextPrecisionOutput": said})


async def test_what_ragas_asks_is_asked_of_our_judge_each_time_as_another_sample() -> None:
    ragas = ScriptedRagas(asks("x"), asks("x"), asks("y"), {"value": 0.75})
    judge = judge_of(USEFUL, USEFUL, USEFUL)

    score = await scored(ragas, judge)

    assert score.value == 0.75
    assert [(it.variables["prompt"], it.sample_index) for it in judge.asked] == [
        *(("x", 0), ("x", 1), ("y", 0)),
    ]
    sample = {"user_input": "q", "retrieved_contexts": ("c1", "c2"), "reference": "One. Two!"}
    assert ragas.told[0] == {"metric": "context_precision", "sample": sample}
    assert ragas.told[1] == {"said": {"reason": "r", "verdict": 1}}
    assert ragas.gone == 0


async def test_vectors_are_made_by_our_embedding_model() -> None:
    ragas = ScriptedRagas({"texts": ("q", "same")}, {"value": 1.0})

    assert (await scored(ragas, ScriptedJudge({}), "answer_relevancy")).value == 1
    assert ragas.told[1] == {"said": [[1, 0], [2, 0]]}


@pytest.mark.parametrize("name", KINDS)
async def test_without_its_environment_a_score_says_how_to_get_it(name: str) -> None:
    score = await scored(None, ScriptedJudge({}), name)

    assert score == NO_RAGAS
    assert "run `trimtab evals ragas install`" in score.detail


@pytest.mark.parametrize(
    "says", [{"failed": "ragas gave NaN: why"}, {"value": -0.5}, {"value": 1.01}]
)
async def test_what_is_no_score_is_an_error_with_the_reason(says: Mapping[str, Any]) -> None:
    score = await scored(ScriptedRagas(says), ScriptedJudge({}))

    assert (score.status, score.code) == (Status.ERROR, "ragas_failed")
    assert score.detail.startswith("ragas gave ")


async def test_a_score_beyond_one_by_rounding_is_one() -> None:
    assert (await scored(ScriptedRagas({"value": 1 + 1e-12}), ScriptedJudge({}))).value == 1


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([JudgeError(Fault.TRUNCATED, "cut off")], "judge_truncated"),
        (["{}", "{}"], "judge_unreadable"),
        ([USEFUL.replace("1", "2")] * 2, "judge_unreadable"),
    ],
)
async def test_where_there_is_no_verdict_nothing_that_ragas_makes_of_it_counts(
    said: list[str | Exception], code: str
) -> None:
    ragas = ScriptedRagas(asks("x"), {"value": 1.0})

    score = await scored(ragas, judge_of(*said))

    assert (score.status, score.code) == (Status.ERROR, code)
    assert ragas.gone == 1


async def test_an_unknown_question_of_ragas_is_an_error() -> None:
    score = await scored(ScriptedRagas(asks("x", "Other")), ScriptedJudge({}))

    assert (score.code, score.detail) == ("judge_unreadable", "ragas asks for a 'Other'")


async def test_what_cannot_be_scored_is_not_asked() -> None:
    ragas, judge = ScriptedRagas(), ScriptedJudge({})
    unexpected = await scored(ragas, judge, case=Case(id="a", input={"question": "q"}))
    unknown = await scored(ragas, judge, answer=Answer(text="x"))
    parts = Parts(ragas=ragas)
    bare = await make_metric("ragas:answer_relevancy", {}, parts).score(CASE, ANSWER, judge)

    assert unexpected.status is Status.NOT_APPLICABLE
    assert (unknown.code, bare.code) == ("no_contexts", "no_embedder")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: make_metric("ragas:faithful", {}, Parts()), "did you mean 'ragas:faithfulness'"),
        (lambda: make_metric("ragas:faithfulness", {"n": 1}, Parts()), "take no options"),
    ],
)
def test_what_ragas_has_not_is_refused(make: Callable[[], object], what: str) -> None:
    with pytest.raises(Wrong, match=what):
        make()


def test_a_suite_names_them_like_ours(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "judge: {model: j}\nmetrics: {ragas:faithfulness: {floor: 0.8}}\n")

    assert [it.metric for it in suite.metrics] == ["ragas:faithfulness"]

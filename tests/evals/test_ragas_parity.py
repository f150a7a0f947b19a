"""The same verdicts through our metrics and those of ragas itself: the formulas are the same.

`make test-ragas` builds the environment of ragas once, in `.venv/ragas`, and runs this.
"""

import json
import random
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.evals.gateways import OURS, PLACE, ChatGateway, judge_of
from tests.services import lacking

from trimtab.evals.case import Case
from trimtab.evals.metrics.base import Answer, Parts, Score, Status
from trimtab.evals.metrics.ragas import PREFIX
from trimtab.evals.metrics.table import make_metric
from trimtab.evals.suite import JudgeSetting
from trimtab.testing import ScriptedEmbedder, ScriptedJudge
from trimtab.wiring.ragas import RagasProcess, installed

pytestmark = pytest.mark.ragas

HOME = Path(__file__).parents[2] / ".venv"
EXACT = 1e-9
TABLES = 40


@pytest.fixture
async def ragas() -> AsyncGenerator[RagasProcess]:
    found = installed(HOME)
    if found is None:
        lacking("the environment of ragas (`make test-ragas`)")
    async with found as running:
        yield running


def tables() -> Iterator[list[int]]:
    """All verdicts on up to three things, and some on more."""
    chance = random.Random(7)  # noqa: S311
    for count in (1, 2, 3):
        yield from ([number >> it & 1 for it in range(count)] for number in range(2**count))
    for _ in range(TABLES):
        yield [chance.randint(0, 1) for _ in range(chance.randint(4, 12))]


def ours(member: str, table: Sequence[int]) -> str:
    rows = [{"index": at, "reason": "r", member: bool(it)} for at, it in enumerate(table, 1)]
    return json.dumps({"verdicts": rows})


def theirs(top: str, member: str, table: Sequence[int]) -> str:
    return json.dumps({top: [{"statement": "s", "reason": "r", member: it} for it in table]})


async def both(
    ragas: RagasProcess,
    name: str,
    judge: ScriptedJudge,
    case: Case,
    answer: Answer,
    embedder: ScriptedEmbedder | None = None,
) -> tuple[Score, Score]:
    parts = Parts(ragas=ragas, embedder=embedder)
    one, other = make_metric(name, {}, parts), make_metric(PREFIX + name, {}, parts)
    return await one.score(case, answer, judge), await other.score(case, answer, judge)


async def test_faithfulness(ragas: RagasProcess) -> None:
    for table in tables():
        claims = [f"c{it}" for it in range(len(table))]
        judge = ScriptedJudge(
            {
                "faithfulness/split": [json.dumps({"claims": claims})],
                "faithfulness/verify": [ours("supported", table)],
                "ragas:faithfulness/StatementGeneratorOutput": [json.dumps({"statements": claims})],
                "ragas:faithfulness/NLIStatementOutput": [theirs("statements", "verdict", table)],
            }
        )
        case, answer = Case(id="a", input={"question": "q"}), Answer(text="t", retrieved=("c",))

        one, other = await both(ragas, "faithfulness", judge, case, answer)

        assert one.value == pytest.approx(sum(table) / len(table), abs=EXACT)
        assert other.value == pytest.approx(one.value, abs=EXACT), other.detail


async def test_context_recall(ragas: RagasProcess) -> None:
    for table in tables():
        judge = ScriptedJudge(
            {
                "context_recall/attribute": [ours("attributed", table)],
                "ragas:context_recall/ContextRecallOutput": [
                    theirs("classifications", "attributed", table)
                ],
            }
        )
        case = Case(id="a", input={"question": "q"}, expected="One. " * len(table))

        one, other = await both(
            ragas, "context_recall", judge, case, Answer(text="t", retrieved=("c",))
        )

        assert one.value is not None
        assert other.value == pytest.approx(one.value, abs=EXACT), other.detail


async def precision(ragas: RagasProcess, table: Sequence[int]) -> tuple[float, float]:
    judge = ScriptedJudge(
        {
            "context_precision/useful": [ours("useful", table)],
            "ragas:context_precision/ContextPrecisionOutput": [
                json.dumps({"reason": "r", "verdict": it}) for it in table
            ],
        }
    )
    case = Case(id="a", input={"question": "q"}, expected="e")
    answer = Answer(text="t", retrieved=tuple(f"c{it}" for it in range(len(table))))

    one, other = await both(ragas, "context_precision", judge, case, answer)

    assert one.value is not None, one.detail
    assert other.value is not None, other.detail
    return one.value, other.value


async def test_context_precision_but_for_what_ragas_adds_below_the_line(
    ragas: RagasProcess,
) -> None:
    for table in tables():
        one, other = await precision(ragas, table)

        useful = sum(table)
        assert other == pytest.approx(one * useful / (useful + 1e-10), abs=1e-14)

    one, other = await precision(ragas, [1, 0, 1, 1, 0])
    assert (f"{one:.11f}", f"{other:.11f}") == ("0.80555555556", "0.80555555553")


async def relevancy(
    ragas: RagasProcess, vectors: Sequence[Sequence[float]], table: Sequence[int]
) -> tuple[Score, Score]:
    names = [f"g{it}" for it in range(len(table))]
    asked, *made = vectors
    embedder = ScriptedEmbedder({"q": asked, **dict(zip(names, made, strict=True))})
    guesses = [
        {"question": name, "noncommittal": it} for name, it in zip(names, table, strict=True)
    ]
    in_one = [{**it, "noncommittal": bool(it["noncommittal"])} for it in guesses]
    judge = ScriptedJudge(
        {
            "answer_relevancy/questions": [json.dumps({"questions": in_one})],
            "ragas:answer_relevancy/AnswerRelevanceOutput": [json.dumps(it) for it in guesses],
        }
    )
    case, answer = Case(id="a", input={"question": "q"}), Answer(text="t")
    return await both(ragas, "answer_relevancy", judge, case, answer, embedder)


async def test_answer_relevancy(ragas: RagasProcess) -> None:
    chance = random.Random(7)  # noqa: S311
    for number in range(TABLES):
        vectors = [[chance.random() for _ in range(8)] for _ in range(4)]
        table = [number >> it & 1 for it in range(3)]

        one, other = await relevancy(ragas, vectors, table)

        assert one.value is not None, one.detail
        assert (one.value == 0) == all(table)
        assert other.value == pytest.approx(one.value, abs=EXACT), other.detail


async def test_what_points_the_other_way_is_nothing_here_and_less_than_nothing_there(
    ragas: RagasProcess,
) -> None:
    one, other = await relevancy(ragas, [[1, 0], [1, 0], [1, 0], [-1, 0]], [0, 0, 0])

    assert one.value == pytest.approx(2 / 3, abs=EXACT)
    assert other.value == pytest.approx(1 / 3, abs=EXACT)


async def test_nan_is_an_error_with_the_reason(ragas: RagasProcess) -> None:
    judge = ScriptedJudge(
        {"ragas:faithfulness/StatementGeneratorOutput": [json.dumps({"statements": []})]}
    )
    metric = make_metric("ragas:faithfulness", {}, Parts(ragas=ragas))
    case = Case(id="a", input={"question": "q"})

    score = await metric.score(case, Answer(text="t", retrieved=("c",)), judge)
    without = await metric.score(case, Answer(text="t", retrieved=()), judge)

    assert (score.status, score.code) == (Status.ERROR, "ragas_failed")
    assert score.detail.startswith("ragas gave NaN")
    assert "ValueError: retrieved_contexts is missing" in without.detail


async def test_its_questions_go_through_our_gateway_and_are_remembered_by_model(
    ragas: RagasProcess, tmp_path: Path
) -> None:
    def say(body: Any) -> str:  # noqa: ANN401
        (message,) = body["messages"]
        assert '"noncommittal"' in message["content"]
        return json.dumps({"question": "q", "noncommittal": 0})

    embedder = ScriptedEmbedder({"q": [1.0]})
    metric = make_metric("ragas:answer_relevancy", {}, Parts(ragas=ragas, embedder=embedder))
    case, answer = Case(id="a", input={"question": "q"}), Answer(text="$answer {{text}} <<<")
    gateway = ChatGateway(say)
    judge = judge_of(gateway, tmp_path, prompts=OURS)

    first, second = [await metric.score(case, answer, judge) for _ in range(2)]

    assert (first.value, second.value) == (1, 1)
    assert gateway.places == [PLACE] * 3
    assert "$answer {{text}} <<<" in gateway.bodies[0]["messages"][0]["content"]
    setting = JudgeSetting(model="other")
    other = judge_of(gateway, tmp_path, prompts=OURS, setting=setting, known="sim/other-2026-02-02")
    await metric.score(case, answer, other)
    assert gateway.calls == 6

import json
import math
from typing import Any

import pytest

from trimtab.evals.case import Case, Checks
from trimtab.evals.judging import Fault, JudgeError
from trimtab.evals.metrics.base import Answer, Parts, Score, Status
from trimtab.evals.metrics.pairwise import tally
from trimtab.evals.metrics.retrieval import average_precision, sentences
from trimtab.evals.metrics.table import make_metric
from trimtab.testing import ScriptedEmbedder, ScriptedJudge

CASE = Case(id="a", input={"question": "q"}, expected="One. Two! Three?")
ANSWER = Answer(text="The answer.", retrieved=("c1", "c2", "c3", "c4", "c5"))
EMBEDDER = ScriptedEmbedder({"q": [1, 0], "same": [2, 0], "near": [1, 1], "far": [-1, 0]})


def verdicts(member: str, *truths: int) -> str:
    rows = [{"index": n, "reason": f"r{n}", member: bool(it)} for n, it in enumerate(truths, 1)]
    return json.dumps({"verdicts": rows})


def claims(*texts: str) -> str:
    return json.dumps({"claims": texts})


def made_questions(*texts: str, noncommittal: bool = False) -> str:
    return json.dumps(
        {"questions": [{"question": it, "noncommittal": noncommittal} for it in texts]}
    )


async def scored(
    metric: str,
    judge: ScriptedJudge,
    answer: Answer = ANSWER,
    case: Case = CASE,
    **options: Any,  # noqa: ANN401
) -> Score:
    return await make_metric(metric, options, Parts(embedder=EMBEDDER)).score(case, answer, judge)


@pytest.mark.parametrize(
    ("truths", "value"),
    [
        ((1, 0, 1, 1, 0), 0.8055555555555555),
        ((1, 1, 1), 1),
        ((0, 0, 1), 1 / 3),
        ((0, 0), 0),
        ((), 0),
    ],
)
def test_average_precision_by_its_formula(truths: tuple[int, ...], value: float) -> None:
    assert average_precision(list(map(bool, truths))) == pytest.approx(value, abs=1e-12)


async def test_context_precision_is_one_call_for_all_texts() -> None:
    judge = ScriptedJudge({"context_precision/useful": [verdicts("useful", 1, 0, 1, 1, 0)]})

    score = await scored("context_precision", judge)

    assert score.value == pytest.approx(0.80555555556, abs=1e-11)
    assert score.detail == "useless: 2, 5"
    assert judge.asked[0].candidate_text == "{}"


async def test_context_precision_per_chunk_is_a_call_for_each() -> None:
    truths = iter([1, 0, 1, 1, 0])
    judge = ScriptedJudge({"context_precision/useful": lambda _: verdicts("useful", next(truths))})

    score = await scored("context_precision", judge, per_chunk=True)

    assert score.value == pytest.approx(0.80555555556, abs=1e-11)
    assert [it.variables["contexts"] for it in judge.asked] == [
        [{"index": 1, "text": f"c{it}"}] for it in range(1, 6)
    ]


async def test_faithfulness_is_the_share_of_claims_that_are_supported_in_two_calls() -> None:
    judge = ScriptedJudge(
        {
            "faithfulness/split": [claims("a", "b", "c", "d")],
            "faithfulness/verify": [verdicts("supported", 1, 0, 1, 1)],
        }
    )

    score = await scored("faithfulness", judge)

    assert (score.value, score.detail) == (0.75, "'b': r2")
    assert len(judge.asked) == 2
    assert "c1" not in judge.asked[1].candidate_text


async def test_an_answer_that_claims_nothing_is_neither_faithful_nor_not() -> None:
    judge = ScriptedJudge({"faithfulness/split": [claims()]})

    assert (await scored("faithfulness", judge)).status is Status.NOT_APPLICABLE
    empty = await scored("faithfulness", ScriptedJudge({}), Answer(text=" ", retrieved=("c",)))
    assert empty.status is Status.NOT_APPLICABLE


async def test_claims_without_any_context_are_not_faithful() -> None:
    judge = ScriptedJudge({"faithfulness/split": [claims("a")]})

    assert (await scored("faithfulness", judge, Answer(text="x", retrieved=()))).value == 0


@pytest.mark.parametrize("metric", ["faithfulness", "context_precision", "context_recall"])
async def test_where_nobody_knows_the_contexts_there_is_no_score(metric: str) -> None:
    score = await scored(metric, ScriptedJudge({}), Answer(text="x"))

    assert (score.status, score.code) == (Status.ERROR, "no_contexts")


@pytest.mark.parametrize("metric", ["context_precision", "context_recall"])
async def test_where_nothing_was_retrieved_nothing_was_found(metric: str) -> None:
    assert (await scored(metric, ScriptedJudge({}), Answer(text="x", retrieved=()))).value == 0


async def test_frozen_contexts_of_a_case_count_where_the_target_tells_of_none() -> None:
    case = Case(id="a", input={}, expected="e", contexts=("f1",))
    judge = ScriptedJudge({"context_precision/useful": [verdicts("useful", 1)]})

    assert (await scored("context_precision", judge, Answer(text="x"), case)).value == 1
    assert judge.asked[0].variables["contexts"] == [{"index": 1, "text": "f1"}]


async def test_context_recall_is_the_share_of_sentences_that_the_contexts_support() -> None:
    judge = ScriptedJudge({"context_recall/attribute": [verdicts("attributed", 1, 0, 1)]})

    score = await scored("context_recall", judge)

    assert (score.value, score.detail) == (pytest.approx(2 / 3), "'Two!': r2")
    assert len(judge.asked) == 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("No end\n\n- a line\n", ["No end", "- a line"]),
        ("3.2.0 is out.", ["3.2.0 is out."]),
        ("\u4e00\u3002\u4e8c\u3002", ["\u4e00\u3002", "\u4e8c\u3002"]),
        (" \n ", []),
    ],
)
def test_texts_are_split_at_the_ends_of_sentences(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


async def test_answer_relevancy_is_the_mean_cosine_of_three_questions_of_one_call() -> None:
    judge = ScriptedJudge({"answer_relevancy/questions": [made_questions("same", "near", "far")]})
    EMBEDDER.asked.clear()

    score = await scored("answer_relevancy", judge)

    assert score.value == pytest.approx((1 + math.sqrt(0.5) + 0) / 3)
    assert (len(judge.asked), EMBEDDER.asked) == (1, ["q", "same", "near", "far"])


async def test_answer_relevancy_may_make_each_question_in_a_call_of_its_own() -> None:
    judge = ScriptedJudge({"answer_relevancy/questions": [made_questions("same")] * 2})

    assert (await scored("answer_relevancy", judge, n=2, one_call=False)).value == 1
    assert [it.sample_index for it in judge.asked] == [0, 1]


async def test_an_answer_that_commits_to_nothing_answers_nothing() -> None:
    said = made_questions("same", "same", "same", noncommittal=True)
    judge = ScriptedJudge({"answer_relevancy/questions": [said]})

    assert (await scored("answer_relevancy", judge)).value == 0
    assert (await scored("answer_relevancy", ScriptedJudge({}), Answer(text=""))).value == 0


async def test_an_answer_that_commits_to_something_is_measured_by_all_questions() -> None:
    said = json.loads(made_questions("same", "near", "far"))
    said["questions"][0]["noncommittal"] = True
    judge = ScriptedJudge({"answer_relevancy/questions": [json.dumps(said)]})

    assert (await scored("answer_relevancy", judge)).value == pytest.approx(
        (1 + math.sqrt(0.5)) / 3
    )


async def test_the_three_metrics_of_the_seed_take_four_calls_and_four_vectors() -> None:
    judge = ScriptedJudge(
        {
            "faithfulness/split": [claims("a")],
            "faithfulness/verify": [verdicts("supported", 1)],
            "answer_relevancy/questions": [made_questions("same", "same", "same")],
            "context_precision/useful": [verdicts("useful", 1, 1, 1, 1, 1)],
        }
    )
    EMBEDDER.asked.clear()

    for metric in ("faithfulness", "answer_relevancy", "context_precision"):
        assert (await scored(metric, judge)).value == 1

    assert (len(judge.asked), len(EMBEDDER.asked)) == (4, 4)


@pytest.mark.parametrize(("step", "value"), [(1, 0), (3, 0.5), (5, 1)])
async def test_a_step_of_a_rubric_is_a_share_of_its_scale(step: int, value: float) -> None:
    judge = ScriptedJudge({"rubric/grade": [json.dumps({"reason": "r", "score": step})]})

    score = await scored("rubric", judge, rubric="1 is bad")

    assert (score.value, score.label, score.detail) == (value, str(step), "r")


@pytest.mark.parametrize("step", [0, 6, -1])
async def test_a_step_beyond_the_scale_is_no_score(step: int) -> None:
    judge = ScriptedJudge({"rubric/grade": [json.dumps({"reason": "r", "score": step})] * 2})

    score = await scored("rubric", judge, rubric="1 is bad")

    assert (score.status, score.code, score.value) == (Status.ERROR, "judge_unreadable", None)


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("said", [True, False])
async def test_an_answer_refuses_where_it_should(*, wanted: bool, said: bool) -> None:
    case = Case(id="a", input={"question": "q"}, checks=Checks(refuses=wanted))
    judge = ScriptedJudge({"refuses/refusal": [json.dumps({"reason": "r", "refuses": said})]})

    score = await scored("refuses", judge, case=case)

    assert (score.value, score.label) == (said is wanted, "refuses" if said else "answers")


def game(better: str) -> str:
    return json.dumps({"reason": "r", "better": better})


async def play(judge: ScriptedJudge, text: str, baseline: str | None) -> Score:
    return await scored("pairwise", judge, Answer(text=text, baseline=baseline))


async def test_a_judge_that_always_picks_the_first_finds_no_winner() -> None:
    judge = ScriptedJudge(
        {it: lambda _: game("first") for it in ("pairwise/straight", "pairwise/swapped")}
    )

    found = tally([await play(judge, "long " * it, "x") for it in range(10)])

    assert (found.wins, found.losses, found.ties) == (0, 0, 10)
    assert (found.swap_consistency, found.picked_first) == (0, 1)


async def test_a_judge_that_picks_the_longer_is_consistent() -> None:
    def longer(question: Any) -> str:  # noqa: ANN401
        first, second = (len(question.variables[it]) for it in ("first", "second"))
        return game("tie" if first == second else "first" if first > second else "second")

    judge = ScriptedJudge({"pairwise/straight": longer, "pairwise/swapped": longer})
    scores = [await play(judge, text, "xx") for text in ("xxx", "x", "xx", "xxxx")]

    found = tally(scores)

    assert [it.value for it in scores] == [1, 0, 0.5, 1]
    assert (found.wins, found.losses, found.ties) == (2, 1, 1)
    assert (found.swap_consistency, found.picked_first) == (1, 0.5)


async def test_a_game_without_a_verdict_is_an_error_and_no_tie() -> None:
    judge = ScriptedJudge(
        {
            "pairwise/straight": [game("first")],
            "pairwise/swapped": [JudgeError(Fault.REFUSED, "the judge will not")],
        }
    )

    score = await play(judge, "a", "b")

    assert (score.status, score.code) == (Status.ERROR, "judge_refused")
    none = tally([score])
    assert (none.wins, none.ties, none.swap_consistency, none.picked_first) == (0, 0, None, None)


async def test_without_an_answer_of_the_baseline_there_is_no_game() -> None:
    assert (await play(ScriptedJudge({}), "a", None)).status is Status.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("metric", "step", "said", "what"),
    [
        ("context_precision", "useful", verdicts("useful", 1, 1), "give exactly 5 verdicts"),
        ("context_precision", "useful", verdicts("useful"), "give exactly 5 verdicts"),
        ("context_recall", "attribute", verdicts("attributed", 1), "give exactly 3 verdicts"),
        ("answer_relevancy", "questions", made_questions("same"), "give exactly 3 questions"),
        ("answer_relevancy", "questions", made_questions(*"   "), "give no empty question"),
    ],
)
async def test_a_count_that_does_not_match_twice_is_an_error(
    metric: str, step: str, said: str, what: str
) -> None:
    score = await scored(metric, ScriptedJudge({f"{metric}/{step}": [said, said]}))

    assert (score.status, score.code) == (Status.ERROR, "judge_unreadable")
    assert what in score.detail


@pytest.mark.parametrize(
    "said",
    [
        verdicts("supported", 1),
        verdicts("supported", 1, 1, 1),
        verdicts("supported"),
        verdicts("supported", 1, 1).replace('"index": 2', '"index": 1'),
    ],
)
async def test_a_count_that_does_not_match_is_repaired_once(said: str) -> None:
    good = verdicts("supported", 1, 0)
    repaired = ScriptedJudge(
        {"faithfulness/split": [claims("a", "b")], "faithfulness/verify": [said, good]}
    )
    broken = ScriptedJudge(
        {"faithfulness/split": [claims("a", "b")], "faithfulness/verify": [said, said]}
    )

    assert (await scored("faithfulness", repaired)).value == 0.5
    score = await scored("faithfulness", broken)
    assert (score.status, score.code) == (Status.ERROR, "judge_unreadable")
    assert "give exactly 2 verdicts" in score.detail

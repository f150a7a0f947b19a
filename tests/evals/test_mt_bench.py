"""MT-Bench, whose questions have two turns, and whose judges say `[[A]]` or `[[7]]`."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.evals.running import Running, running, says
from tests.recorded import TwoTurns, mt_bench, mt_bench_judges

from trimtab.evals.calling import Reply
from trimtab.evals.case import Case
from trimtab.evals.metrics.base import Answer, Parts, Status
from trimtab.evals.metrics.label import UNKNOWN
from trimtab.evals.metrics.table import make_metric
from trimtab.evals.result import Run
from trimtab.testing import ScriptedJudge

RIGHT = "metrics: {token_f1: {}}\nslices: [tags]\n"
PAIRWISE = ("A", "B", "C")
RATINGS = tuple(map(str, range(1, 11)))


def row(of: TwoTurns, turn: int, history: list[dict[str, str]]) -> dict[str, Any]:
    earlier = {"history": history} if history else {}
    expected = {} if of.references is None else {"expected": of.references[turn]}
    return {
        "id": f"{of.id}-{turn}",
        "input": {"question": of.turns[turn], **earlier},
        "tags": [of.category],
        "group": of.id,
        **expected,
    }


def said_to(of: TwoTurns, turn: int) -> str:
    return f"No {of.id}, turn {turn}." if of.references is None else of.references[turn]


async def turned(folder: Path, turn: int, before: Run | None = None) -> tuple[Running, Run]:
    """Run a turn of all questions; the second is asked after what was answered to the first."""
    asked = mt_bench()
    answered = {it.case: it.text for it in before.samples} if before else {}
    rows = [
        row(
            it,
            turn,
            [
                {"role": "user", "content": it.turns[0]},
                {"role": "assistant", "content": answered[f"{it.id}-0"] or ""},
            ]
            if before
            else [],
        )
        for it in asked
    ]
    known = {f"{it.id}-{turn}": said_to(it, turn) for it in asked}

    def say(place: str, _body: Any) -> Reply:  # noqa: ANN401
        return says(known[place.split("/")[1]])

    inner = folder / str(turn)
    inner.mkdir()
    made = running(inner, say, rows, RIGHT, alone=True)
    return made, await made.run()


async def test_all_questions_are_asked_in_two_turns_the_second_after_what_was_answered(
    tmp_path: Path,
) -> None:
    _, first = await turned(tmp_path, 0)
    made, second = await turned(tmp_path, 1, first)

    asked = mt_bench()
    assert set(Counter(it.category for it in asked).values()) == {10}
    for run in (first, second):
        assert len(run.samples) == 80
        assert not [it.error for it in run.samples if it.error]
        found = Counter(it.scores["token_f1"].status for it in run.samples)
        assert found == {Status.SCORED: 30, Status.NOT_APPLICABLE: 50}
        assert {it.scores["token_f1"].value for it in run.samples} == {1, None}
    sent = {place.split("/")[1]: json.loads(body) for _, body, place in made.gateway.called}
    for it in asked:
        body = sent[f"{it.id}-1"]
        assert [m["content"] for m in body["messages"]] == [it.turns[0], said_to(it, 0)]
        assert body["trimtab"]["prompt"]["variables"] == {"question": it.turns[1]}


async def test_the_verdicts_of_all_its_judge_prompts_are_read(tmp_path: Path) -> None:
    judges = mt_bench_judges()
    forms = {"pairwise": PAIRWISE, "single": RATINGS}
    assert len(judges) == 8
    for it in judges:
        text = it["system_prompt"] + it["prompt_template"]
        wanted = ["[[A]]", "[[B]]", "[[C]]"] if it["type"] == "pairwise" else ["[[rating]]"]
        assert [form for form in wanted if form not in text] == []
    rows = [
        {
            "id": f"{it['name']}-{verdict}",
            "input": {"question": it["prompt_template"], "judge": it["system_prompt"]},
            "expected": verdict,
        }
        for it in judges
        for verdict in forms[it["type"]]
    ]
    patterns = {it: rf"\[\[{it}\]\]" for it in (*PAIRWISE, *RATINGS)}

    def say(place: str, _body: Any) -> Reply:  # noqa: ANN401
        verdict = place.split("/")[1].rpartition("-")[2]
        return says(f"Assistant A [1] says 10, B says A. Final verdict: [[{verdict}]]")

    body = f"metrics: {{label_match: {{labels: {json.dumps(patterns)}}}}}\n"
    run = await running(tmp_path, say, rows, body, alone=True).run()

    assert len(run.samples) == 4 * 3 + 4 * 10
    assert {it.scores["label_match"].value for it in run.samples} == {1}


@pytest.mark.parametrize("text", ["A is better.", "[A]", "[[A]] or [[B]]", "[[D]]"])
async def test_what_is_no_verdict_is_not_taken_for_one(text: str) -> None:
    labels = {it: rf"\[\[{it}\]\]" for it in PAIRWISE}
    case = Case(id="a", input={}, expected="A")
    metric = make_metric("label_match", {"labels": labels}, Parts())

    score = await metric.score(case, Answer(text=text), ScriptedJudge({}))

    assert (score.value, score.label) == (0, UNKNOWN)

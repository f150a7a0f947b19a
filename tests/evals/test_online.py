from pathlib import Path
from typing import Any

import pytest
from tests.evals.gateways import ChatGateway, court_of, kept

from trimtab.evals.cache import Forgetful
from trimtab.evals.case import Case
from trimtab.evals.manifest import make_metrics
from trimtab.evals.metrics.base import Answer, Status
from trimtab.evals.online import Scorer, faults, suite_of
from trimtab.evals.panel import Panel
from trimtab.evals.suite import JudgeSetting
from trimtab.testing import FrozenClock

CASE = Case(id="r_1", input={"question": "How long?"})
ANSWER = Answer(text="14 days")
REFUSES: dict[str, dict[str, Any]] = {"refuses": {"expected": False}}
HELPFUL: dict[str, dict[str, Any]] = {"helpful": {"metric": "rubric", "rubric": "5 is best"}}
SAYS_NO = '{"reason": "it answers", "refuses": false}'


def scorer(gateway: ChatGateway, folder: Path, metrics: dict[str, dict[str, Any]]) -> Scorer:
    suite = suite_of("trimtab.yaml", JudgeSetting(model="judge-pinned"), metrics)
    cache = Forgetful(folder, FrozenClock())
    court = court_of(gateway, folder, cache=cache)
    panel = Panel(court=court, embedder=None, cache=cache, tally=court.tally)
    return Scorer(suite, make_metrics(suite), panel)


async def test_scores_by_each_metric_and_says_which_request_it_is_for(tmp_path: Path) -> None:
    gateway = ChatGateway(SAYS_NO, '{"reason": "good", "score": 5}')

    found = await scorer(gateway, tmp_path, REFUSES | HELPFUL).score(CASE, ANSWER)

    assert {name: it.value for name, it in found.items()} == {"refuses": 1.0, "helpful": 1.0}
    assert set(gateway.places) == {"online/r_1/judge/0"}


async def test_what_needs_contexts_is_left_out_where_nobody_knows_them(tmp_path: Path) -> None:
    gateway = ChatGateway('{"claims": []}')
    judge = scorer(gateway, tmp_path, {"faithfulness": {}})

    assert await judge.score(CASE, ANSWER) == {}
    assert gateway.calls == 0


async def test_what_does_not_apply_is_no_score_and_what_failed_is_told(tmp_path: Path) -> None:
    gateway = ChatGateway('{"claims": []}', "no verdict")
    known = Case(id="r_1", input={"question": "How long?"}, contexts=("14 days",))

    found = await scorer(gateway, tmp_path, {"faithfulness": {}} | REFUSES).score(known, ANSWER)

    assert {name: it.status for name, it in found.items()} == {"refuses": Status.ERROR}


async def test_nothing_that_users_were_answered_is_kept_in_a_cache(tmp_path: Path) -> None:
    gateway = ChatGateway(SAYS_NO)
    judge = scorer(gateway, tmp_path, REFUSES)

    for _ in range(2):
        await judge.score(CASE, ANSWER)

    assert gateway.calls == 2
    assert kept(tmp_path) == []


def test_a_version_is_another_with_other_options(tmp_path: Path) -> None:
    gateway = ChatGateway(SAYS_NO)
    one, same, other = (
        scorer(gateway, tmp_path, {"helpful": {"metric": "rubric", "rubric": text}})
        for text in ("5 is best", "5 is best", "5 is worst")
    )

    assert one.version("helpful") == same.version("helpful")
    assert one.version("helpful").startswith("rubric@1+")
    assert one.version("helpful") != other.version("helpful")


async def test_the_author_is_who_answered_once_that_is_known(tmp_path: Path) -> None:
    judge = scorer(ChatGateway(SAYS_NO), tmp_path, REFUSES)
    assert judge.author == "judge-pinned"

    await judge.score(CASE, ANSWER)

    assert judge.author == "sim/judge-2026-01-15"


@pytest.mark.parametrize(
    ("metrics", "path", "what"),
    [
        ({"refuzes": {}}, "refuzes", "did you mean 'refuses'"),
        ({"refuses": {"expect": True}}, "refuses.expect", "not known here"),
        ({"a": {"metric": "rubric"}}, "a", "'rubric' is missing"),
        ({"token_f1": {}}, "token_f1", "nobody knows of live traffic (expected)"),
        ({"pairwise": {}}, "pairwise", "nobody knows of live traffic"),
        ({"latency_s": {}}, "latency_s", "asks no judge"),
        ({"answer_relevancy": {}}, "answer_relevancy", "`judge.embeddings`"),
        ({"refuses": 3}, "refuses", "is not a map"),
    ],
)
def test_tells_what_is_wrong_with_metrics(metrics: dict[str, Any], path: str, what: str) -> None:
    (found,) = faults(metrics, embeds=False)

    assert found[0] == path
    assert what in found[1]


def test_metrics_that_can_judge_live_traffic_have_no_fault() -> None:
    metrics = {**REFUSES, **HELPFUL, "faithfulness": {}, "answer_relevancy": {"n": 2}}

    assert list(faults(metrics, embeds=True)) == []

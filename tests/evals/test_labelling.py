from datetime import timedelta

import msgspec
import pytest
from tests.evals.labelled import NOW_US, label, run_of, values

from trimtab.domain.errors import NotFound
from trimtab.domain.prompt import digest
from trimtab.evals.labelling import BLOCK, Session, session
from trimtab.evals.labels import Label
from trimtab.evals.metrics.base import failed, not_applicable, scored
from trimtab.evals.result import Run

MANY = run_of(values([0.5] * 60), baseline=values([1] * 60))


def begun(*said: Label, run: Run = MANY, rater: str = "ana") -> Session:
    return session(run, "faithfulness", rater, said)


def test_every_answer_with_a_score_is_shown_once_whatever_its_arm() -> None:
    scores = [scored(1), failed("judge_truncated", ""), not_applicable(""), scored(0), scored(0.25)]
    run = run_of(scores, baseline=[*values([1] * 5)])
    same = msgspec.structs.replace(run.samples[-1], text=run.samples[4].text)
    run = msgspec.structs.replace(run, samples=(*run.samples[:-1], same))

    items = begun(run=run).items

    assert sorted(it.key for it in items) == sorted(
        [("q-4", digest("Answer 4."))]
        + [(f"q-{it}", digest(f"Answer {it}.")) for it in (0, 3)]
        + [(f"q-{it}", digest(f"Once it was Answer {it}.")) for it in range(4)]
    )
    # one text, one label: the candidate's score is the one that it is held against
    assert {it.judged for it in items if it.case.id == "q-4"} == {0.25}


def test_one_answer_of_each_case_comes_before_the_second_of_any() -> None:
    items = [it.case.id for it in begun().items]

    assert len(items) == 120
    assert len(set(items[:50])) == 50


def test_raters_have_orders_of_their_own_and_the_same_answers_first() -> None:
    ana, mia = begun().items, begun(rater="mia").items

    assert ana == begun().items
    assert ana != mia
    assert {it.key for it in ana[:BLOCK]} == {it.key for it in mia[:BLOCK]}
    assert {it.key for it in ana[: 2 * BLOCK]} == {it.key for it in mia[: 2 * BLOCK]}


def test_arms_are_mixed() -> None:
    shown = [it.texts[0].startswith("Once") for it in begun().items[:50]]

    assert 10 < sum(shown) < 40


def test_a_rater_goes_on_where_they_stopped() -> None:
    first, second = begun().items[:2]
    now = begun(begun().label(first, 1.0, NOW_US), begun().label(second, None, NOW_US + 1))

    assert (now.labelled, now.skipped) == (1, [second])
    assert now.following == begun().items[2]
    assert now.latest == first


def test_what_others_say_does_not_count_as_said() -> None:
    first = begun().items[0]
    theirs = msgspec.structs.replace(begun().label(first, 1.0, NOW_US), rater="mia")

    assert begun(theirs).following == first


def test_nothing_follows_the_last() -> None:
    everything = [begun().label(it, 0.0, NOW_US) for it in begun().items]

    now = begun(*everything)

    assert (now.following, now.labelled) == (None, 120)


def test_the_one_labelled_last_is_known_by_its_time() -> None:
    one, two = begun().items[:2]
    early = begun().label(one, 1.0, NOW_US)
    later = msgspec.structs.replace(early, at=early.at + timedelta(seconds=9))

    assert begun(early, begun().label(two, 1.0, NOW_US + 1)).latest == two
    assert begun(early, begun().label(two, 1.0, NOW_US + 1), later).latest == one
    assert begun().latest is None


def test_a_rater_sees_what_the_judge_saw() -> None:
    item = begun().items[0]
    number = item.case.id.removeprefix("q-")

    parts = [(it.name, it.text) for it in begun().parts(item)]

    assert parts == [
        ("question", f"What of {number}?"),
        ("text 1", f"Text of {number}."),
        ("answer", item.texts[0]),
    ]


def test_of_a_rubric_its_text_and_what_is_expected_are_shown() -> None:
    options = {"rubric": "5 is good", "scale": 5}
    run = run_of(values([0.5]), "rubric", options=options)
    blind = run_of(values([0.5]), "rubric", options=options | {"reference": False})

    now = session(run, "rubric", "ana", ())

    names = [it.name for it in now.parts(now.items[0])]
    assert names == ["question", "rubric", "expected", "answer"]
    assert [it.value for it in now.choices(now.items[0])] == [0, 0.25, 0.5, 0.75, 1]
    other = session(blind, "rubric", "ana", ())
    assert "expected" not in [it.name for it in other.parts(other.items[0])]


def test_two_answers_are_compared_in_an_order_that_says_nothing() -> None:
    run = run_of(values([0, 0.5, 1] * 20), "pairwise", baseline=values([0] * 60))
    now = session(run, "pairwise", "ana", ())
    firsts = list[bool]()

    for item in now.items:
        shown = [it.text for it in now.parts(item) if it.answer]
        first, tie, second = now.choices(item)
        is_candidate = not shown[0].startswith("Once")
        assert (first.value, tie.value, second.value) == (is_candidate, 0.5, not is_candidate)
        assert item.answer_hash == digest(f"{digest(item.texts[0])} {digest(item.texts[1])}")
        firsts.append(is_candidate)

    assert len(firsts) == 60
    assert 15 < sum(firsts) < 45


def test_of_a_refusal_the_judges_word_counts_and_not_what_the_case_wants() -> None:
    scores = [scored(1, label="answers"), scored(0, label="answers"), scored(1, label="refuses")]
    now = session(run_of(scores, "refuses"), "refuses", "ana", ())

    judged = {it.case.id: it.judged for it in now.items}

    assert judged == {"q-0": 0, "q-1": 0, "q-2": 1}


def test_only_metrics_that_ask_a_judge_are_labelled() -> None:
    for metric in ("exact_match", "nonsense"):
        with pytest.raises(NotFound, match=r"choose of: faithfulness"):
            session(MANY, metric, "ana", ())


def test_an_answer_is_found_by_case_and_hash() -> None:
    item = begun().items[7]

    assert begun().find(*item.key) == item
    with pytest.raises(NotFound, match="no such answer"):
        begun().find(item.case.id, label(1, 1).answer_hash + "0")

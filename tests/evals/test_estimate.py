from pathlib import Path

from msgspec.structs import replace
from tests.evals.running import subject
from tests.evals.suites import row, suite_of
from tests.evals.test_reuse import stored

from trimtab.evals.estimate import Asked, estimate
from trimtab.evals.manifest import make_metrics
from trimtab.evals.result import Arm, Sample

ROWS = [row(it) for it in range(10)]


def prices(model: str, read: int, written: int) -> int | None:
    """A nano-USD for what is read, two for what is written."""
    return None if model == "unknown" else read + 2 * written


def asked(answers: int, model: str = "answers", *, through_gateway: bool = True) -> Asked:
    return Asked(
        subject=subject("2.0.0"),
        text="x" * 400,
        model=model,
        answers=answers,
        through_gateway=through_gateway,
    )


def test_tokens_are_guessed_of_the_text_and_answers_are_of_middle_length(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "metrics: {exact_match: {}}\n", ROWS)

    told = estimate(suite, make_metrics(suite), [asked(10), asked(5)], prices, [])

    text = 400 + len(str(ROWS[0]["input"]))
    assert told.candidate_nano == 15 * (text // 4 + 2 * 200)
    assert (told.answers, told.verdicts, told.judge_nano, told.basis) == (15, 0, 0, None)


def test_where_the_suite_ran_before_an_answer_costs_what_it_cost_then(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "metrics: {exact_match: {}}\n", ROWS)
    samples = tuple(
        Sample(case=f"q-{it}", arm=Arm.CANDIDATE, index=0, cost_nano=1000 + it) for it in range(3)
    )
    before = replace(stored(), suite=suite.name, samples=samples)
    other = replace(before, suite="another", samples=(replace(samples[0], cost_nano=9),))

    told = estimate(suite, make_metrics(suite), [asked(10)], prices, [other, before])

    assert (told.candidate_nano, told.basis) == (10_010, "ev_0")


def test_verdicts_are_counted_and_priced(tmp_path: Path) -> None:
    body = "metrics: {faithfulness: {}, pairwise: {}}\njudge: {model: judge}\n"
    suite = suite_of(tmp_path, body, ROWS)

    told = estimate(suite, make_metrics(suite), [asked(10)], prices, [])

    assert told.verdicts == 10 * (2 + 2)
    assert told.judge_nano is not None
    assert told.judge_nano > 40 * 2 * 200
    assert told.nano == (told.candidate_nano or 0) + told.judge_nano


def test_what_has_no_price_is_unknown_and_not_free(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "metrics: {refuses: {}}\njudge: {model: unknown}\n", ROWS)
    metrics = make_metrics(suite)

    answers = estimate(suite, metrics, [asked(10, "unknown")], prices, [])
    verdicts = estimate(suite, metrics, [asked(10)], prices, [])

    assert (answers.candidate_nano, answers.nano) == (None, None)
    assert (verdicts.judge_nano, verdicts.nano) == (None, None)


def test_what_others_call_nobody_can_foretell(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "metrics: {exact_match: {}}\n", ROWS)

    told = estimate(suite, make_metrics(suite), [asked(10, through_gateway=False)], prices, [])

    assert (told.answers, told.candidate_nano) == (10, 0)

from msgspec.structs import replace
from tests.evals.report.hostile import hostile
from tests.evals.runs import even, run, worse

from trimtab.evals.judgement import judged
from trimtab.evals.report.page import page
from trimtab.evals.report.picture import picture


def test_a_million_letters_are_cut() -> None:
    text = page([judged(hostile(), {})])

    assert len(text) < 2_000_000
    assert "more characters)" in text


def test_repeats_stand_beside_each_other() -> None:
    made = even(3)
    again = tuple(replace(it, index=1) for it in made.samples)

    assert "sample 2 of 2" in page([judged(replace(made, samples=made.samples + again), {})])


def test_several_runs_are_one_page() -> None:
    assert page([judged(even(3), {}), judged(even(3), {})]).count("<article>") == 2


def test_errors_come_before_what_is_the_same() -> None:
    made = run({"exact_match": [1.0, "judge_refused"]}, {"exact_match": [1.0, 1.0]})

    text = page([judged(made, {})])

    assert text.index('data-kind="error"') < text.index('data-kind="same"')


def test_the_picture_has_zero_in_its_middle_and_shares_only() -> None:
    found = picture(judged(worse(), {}))

    assert found is not None
    (mark,) = found.marks
    assert found.left < mark.low < mark.at < mark.high < found.zero < found.right
    assert (mark.told, mark.tone) == ("-.100", "bad")
    assert [name for _, name in found.ticks] == ["-.20", "-.10", ".00", "+.10", "+.20"]
    assert picture(judged(run({"exact_match": [1.0] * 3}), {})) is None
    latency = run({"latency_s": [1.0, 2.0]}, {"latency_s": [1.0, 1.0]})
    assert picture(judged(latency, {})) is None


def test_what_is_not_ours_is_escaped_and_the_policy_allows_nothing_else() -> None:
    text = page([judged(hostile(), {})])

    assert "<img" not in text
    assert "&lt;img" in text
    assert "default-src 'none'; style-src 'sha256-" in text.replace("&#39;", "'")
    assert "unsafe" not in text

from tests.evals.report.hostile import STOPPED, hostile
from tests.evals.runs import even, run, worse

from trimtab.evals.judgement import judged
from trimtab.evals.report.annotations import MOST, Spot, annotations, command
from trimtab.evals.result import Run

SPOT = Spot("prompts/rag-answer.prompt.yaml", 8)


def told(*runs: Run) -> list[str]:
    return annotations([(judged(it, {}), SPOT) for it in runs])


def test_what_decided_stands_first_and_then_what_became_worse() -> None:
    first, second, *_ = told(worse(300, 30))

    assert first == (
        "::error file=prompts/rag-answer.prompt.yaml,line=8,title=rag-golden%3A FAIL (exact_match)"
        "::exact_match -.100 [-.139,-.068]: FAIL regression;"
        " the candidate is worse than the baseline, and that is no chance"
    )
    assert second.endswith("::exact_match: q-0000 1.00->.00")


def test_a_pass_needs_no_words() -> None:
    assert told(even()) == []


def test_what_is_inconclusive_warns() -> None:
    assert told(even(30))[0].startswith("::warning ")
    assert "max_usd" in told(STOPPED)[0]


def test_there_are_no_more_than_are_shown() -> None:
    many = {f"m{at}": [0.0] * 30 for at in range(12)}
    metrics = {name: {"metric": "exact_match", "floor": 1.0} for name in many}

    found = told(run(many, metrics=metrics), worse())

    assert len(found) == MOST
    assert all(it.startswith("::error ") for it in found)


def test_what_would_end_a_command_is_escaped() -> None:
    assert command("error", "100%\n::x", Spot("a,b:c\n%"), "t:,") == (
        "::error file=a%2Cb%3Ac%0A%25,line=1,title=t%3A%2C::100%25 ::x"
    )


def test_each_is_one_line_whatever_answers_hold() -> None:
    for it in told(hostile()):
        assert len(it.splitlines()) == 1
        assert it.startswith(("::error file=", "::notice file="))

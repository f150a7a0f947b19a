import pytest
from msgspec.structs import replace
from tests.evals.report.hostile import hostile
from tests.evals.runs import VALID, even, name_of, run, tagged, worse

from trimtab.evals.case import Kind
from trimtab.evals.judgement import judged
from trimtab.evals.report.terminal import lines
from trimtab.evals.report.words import REASONS, meaning
from trimtab.evals.result import JudgeSeen, Run, Stop
from trimtab.evals.terms import Standings
from trimtab.evals.verdict import Reason

TABLE = """\
rag-golden eeeeeeee…  cases 300  candidate rag-answer@3.3.0  baseline rag-answer@3.2.0 (production)
metric         n  err  na   base  cand  delta         95% CI   b/c  p(Holm)  MDE   floor  verdict
exact_match  300    0   0  1.000  .900  -.100  [-.139,-.068]  30/0    <.001  .05  .85 ok  FAIL regression
worst: q-0000 1.00->.00  q-0001 1.00->.00  q-0002 1.00->.00  q-0003 1.00->.00  q-0004 1.00->.00        judge $0.41 (cache 94%)  candidate $1.20  3 min 12 s
regression: the candidate is worse than the baseline, and that is no chance
cache: unsigned; what was remembered may be anybody's, set TRIMTAB_CACHE_KEY
VERDICT FAIL (exact_match)"""  # noqa: E501


def told(made: Run, standings: Standings | None = None) -> str:
    return "\n".join(lines(judged(made, standings or {})))


def test_a_verdict_is_told_as_a_table() -> None:
    made = worse(300, 30, metrics={"exact_match": {"floor": 0.85}})

    assert told(made) == TABLE


def test_a_pass_says_no_more_than_that() -> None:
    assert told(even(judge=None)).splitlines()[-1] == "VERDICT PASS"
    assert "worst:" not in told(even())


def test_the_agreement_of_the_judge_stands_beside_its_name() -> None:
    made = run({"faithfulness": [1.0] * 300})

    assert "judge judge-pinned k=.71 [.58,.84] n=120" in told(made, {"faithfulness": VALID})
    assert "label answers, and calibrate it" in told(made)


def test_errors_are_told_with_what_they_could_hide() -> None:
    scores = ["judge_truncated"] * 5 + [1.0] * 95

    text = told(run({"exact_match": scores}, {"exact_match": [1.0] * 100}))

    assert ["exact_match", "95", "5", "0"] in [it.split()[:4] for it in text.splitlines()]
    assert (
        "exact_match: 5 without a score (q-0000 q-0001 q-0002 q-0003 q-0004);"
        " with them it is within [.950,1.000]" in text
    )
    assert text.endswith("VERDICT INCONCLUSIVE (exact_match)")


def test_without_a_baseline_the_interval_is_the_candidates_own() -> None:
    (row,) = [it for it in told(run({"exact_match": [1.0] * 100})).splitlines() if "PASS" in it][:1]

    assert row.split()[4:8] == ["-", "1.000", "-", "[.963,1.000]"]


def test_what_stayed_out_is_named() -> None:
    made = even(
        unpaired=(name_of(3),),
        quarantine={name_of(5): "the source moved"},
        warnings=("judge and candidate are of one family",),
        judge=JudgeSeen(model="judge-pinned", signed=True, refused=2),
    )

    text = told(made)

    assert "not compared, they changed since the baseline's run: q-0003" in text
    assert "quarantine, out of the gate: q-0005 (the source moved)" in text
    assert "warning: judge and candidate are of one family" in text
    assert "2 remembered verdicts were not used" in text
    assert "cache: unsigned" not in text


def test_slices_that_only_inform_are_counted_and_shown_where_they_look_worse() -> None:
    made = tagged(worse(300, 60), {"de": range(60), "fr": range(100, 200)})

    text = told(made)

    assert "exact_match[de]" in text
    assert "informs: regression" in text
    assert "exact_match[fr]" not in text
    assert "(1 slices more, which only inform; see --json)" in text


def test_what_has_a_unit_is_held_to_a_ceiling() -> None:
    text = told(
        run({"latency_s": [1.5, 2.5] * 20}, metrics={"latency_s": {"max": 1.0, "floor_mode": "ci"}})
    )

    assert "<=1 no" in text
    assert "FAIL floor" in text


def test_attacks_that_come_through_are_named() -> None:
    made = run(
        {"not_contains": [0.0] + [1.0] * 299},
        {"not_contains": [1.0] * 300},
        kind=Kind.ADVERSARIAL,
        gate={"max_attack_rate": 0.02},
    )

    text = told(made)

    assert "<.020 ok" in text
    assert "not_contains: not_repeated in q-0000" in text
    assert "sample it five times" in text


def test_a_run_that_was_stopped_says_why() -> None:
    text = told(even(stopped=Stop.BUDGET, spent=replace(even().spent, priced=False)))

    assert "budget: the run reached `max_usd`" in text
    assert "candidate at least $1.20" in text
    assert text.endswith("VERDICT INCONCLUSIVE (budget)")


def test_what_names_hold_cannot_steer_a_terminal() -> None:
    text = told(hostile())

    assert "\x1b" not in text
    assert not [it for it in text.splitlines() if it.startswith("::")]


@pytest.mark.parametrize("reason", [it for it in (*Reason, *Stop) if it])
def test_every_reason_says_what_to_do(reason: str) -> None:
    assert meaning(reason) == REASONS[reason]

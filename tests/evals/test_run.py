import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.evals.running import Running, refuses, running, says
from tests.evals.suites import row

from trimtab.domain.errors import ProviderError
from trimtab.evals.calling import Reply
from trimtab.evals.journal import Answered, Journal
from trimtab.evals.judging import Judge
from trimtab.evals.metrics.base import Status
from trimtab.evals.result import Arm, JudgeSeen, Run, Sample, Spent, Stop
from trimtab.testing import ScriptedJudge

ROWS = [row(it) for it in range(20)]
REPEATED = "metrics: {exact_match: {}, latency_s: {}}\nrepeats: {first: 1, max: 5}\n"
JUDGED = "metrics: {refuses: {}, exact_match: {}}\njudge: {model: j}\n"


class Killed(BaseException):
    """What no code of ours can heed, as SIGKILL."""


def always(text: str) -> Any:  # noqa: ANN401
    return lambda _place, _body: says(text)


def by_arm(candidate: str, baseline: str) -> Any:  # noqa: ANN401
    return lambda place, _body: says(candidate if "/candidate/" in place else baseline)


def plain(run: Run) -> Run:
    """Leave out what may differ: times and costs."""
    samples = tuple(replace(it, latency_s=None, cost_nano=None) for it in run.samples)
    return replace(run, spent=Spent(), samples=samples)


async def test_every_case_is_asked_in_both_arms_and_scored(tmp_path: Path) -> None:
    it = running(tmp_path, by_arm("Yes", "No"), ROWS)

    run = await it.run()

    assert len(it.gateway.called) == len(run.samples) == 40
    assert set(it.gateway.places) == {
        f"ev_1/q-{n}/{arm}/0" for n in range(20) for arm in ("candidate", "baseline")
    }
    values = {(s.arm, s.scores["exact_match"].value) for s in run.samples}
    assert values == {(Arm.CANDIDATE, 1.0), (Arm.BASELINE, 0.0)}
    assert [s.case for s in run.samples[:4]] == ["q-0", "q-0", "q-1", "q-1"]
    assert (run.stopped, run.spent.candidate_nano, run.spent.candidate_calls) == (None, 40_000, 40)
    assert run.candidate.answered == ("sim/large-1",)
    assert [case.id for case in run.cases] == [f"q-{n}" for n in range(20)]


async def test_both_arms_of_a_case_are_asked_in_the_same_moment(tmp_path: Path) -> None:
    it = running(tmp_path, always("Yes"), ROWS, at_once=2)

    await it.run()

    pairs = [
        {place.split("/")[1] for place in it.gateway.places[at : at + 4]} for at in range(0, 40, 4)
    ]
    assert all(len(pair) <= 3 for pair in pairs)
    assert it.gateway.most_at_once == 2


async def test_cases_that_flip_are_sampled_again_in_both_arms(tmp_path: Path) -> None:
    def say(place: str, _body: Any) -> Reply:  # noqa: ANN401
        _, case, arm, _ = place.split("/")
        return says("No" if case in {"q-3", "q-7"} and arm == "candidate" else "Yes")

    it = running(tmp_path, say, ROWS, REPEATED)

    run = await it.run()

    taken = Counter((s.case, s.arm) for s in run.samples)
    assert {key: n for key, n in taken.items() if n > 1} == {
        (case, arm): 5 for case in ("q-3", "q-7") for arm in Arm
    }
    assert {s.index for s in run.samples if s.case == "q-3"} == {0, 1, 2, 3, 4}
    assert len(run.samples) == 18 * 2 + 2 * 10


async def test_without_a_baseline_nothing_flips(tmp_path: Path) -> None:
    it = running(tmp_path, always("No"), ROWS, REPEATED, alone=True)

    run = await it.run()

    assert (len(run.samples), run.baseline) == (20, None)


async def test_known_answers_are_not_asked_for_and_their_scores_count(tmp_path: Path) -> None:
    before = (await running(tmp_path, always("Yes"), ROWS, alone=True).run()).samples
    known = {(s.case, 0): replace(s, arm=Arm.BASELINE) for s in before[:15]}
    (tmp_path / "ev_1.jsonl").unlink()

    it = running(tmp_path, always("Yes"), ROWS, known=known)
    run = await it.run()

    assert Counter(place.split("/")[2] for place in it.gateway.places) == {
        "candidate": 20,
        "baseline": 5,
    }
    assert len(run.of(Arm.BASELINE)) == 20
    assert run.spent.candidate_calls == 25


async def test_a_failed_answer_is_an_error_of_every_metric_that_applies(tmp_path: Path) -> None:
    def say(place: str, _body: Any) -> Reply:  # noqa: ANN401
        return refuses(400, "content_blocked") if "/q-4/" in place else says("Yes")

    body = "metrics: {exact_match: {}, json_schema: {schema: s.json, when: {tag: j}}}\n"
    (tmp_path / "s.json").write_text('{"type": "object"}')
    run = await running(tmp_path, say, ROWS, body).run()

    [sample] = [s for s in run.samples if s.case == "q-4" and s.arm is Arm.CANDIDATE]
    assert (sample.error, sample.text) == ("content_blocked", "")
    assert sample.scores["exact_match"].code == "content_blocked"
    assert sample.scores["json_schema"].status is Status.NOT_APPLICABLE
    assert run.stopped is None
    assert run.spent.candidate_calls == 38


@pytest.mark.parametrize("seed", range(50))
async def test_killed_at_any_point_it_goes_on_without_paying_twice(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311

    def answer(place: str) -> Reply:
        _, case, arm, index = place.split("/")
        wrong = arm == "candidate" and case in {"q-2", "q-5"} and index in "024"
        return refuses(400, "x") if case == "q-9" else says("No" if wrong else "Yes")

    (tmp_path / "whole").mkdir()
    whole = running(tmp_path / "whole", lambda place, _body: answer(place), ROWS, REPEATED)
    wanted = plain(await whole.run())
    paid = Counter[str]()
    left = chance.randrange(56)

    def dies(place: str, _body: Any) -> Reply:  # noqa: ANN401
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        paid[place] += 1
        return answer(place)

    def lives(place: str, _body: Any) -> Reply:  # noqa: ANN401
        paid[place] += 1
        return answer(place)

    with pytest.raises((Killed, BaseExceptionGroup)):
        await running(tmp_path, dies, ROWS, REPEATED).run()
    lines = (tmp_path / "ev_1.jsonl").read_bytes()
    cut = chance.choice([0, 0, 5])
    torn = lines[: len(lines) - cut].rpartition(b"\n")
    if b'"answer"' not in torn[2]:  # an answer that was cut off was not kept
        (tmp_path / "ev_1.jsonl").write_bytes(lines[: len(lines) - cut])
    run = await running(tmp_path, lives, ROWS, REPEATED).run()

    assert plain(run) == replace(wanted, file=run.file)
    # What was asked for when it died, and not written down, may be asked again: four at once.
    assert set(paid) == set(whole.gateway.places)
    assert sum(paid.values()) - len(paid) <= 4


async def test_gone_on_with_it_knows_what_was_spent(tmp_path: Path) -> None:
    it = running(tmp_path, always("Yes"), ROWS, max_nano=10_000)
    first = await it.run()
    then = running(tmp_path, always("Yes"), ROWS, max_nano=15_000)
    second = await then.run()
    last = await running(tmp_path, always("Yes"), ROWS).run()

    assert (first.stopped, second.stopped, last.stopped) == (Stop.BUDGET, Stop.BUDGET, None)
    assert 10_000 <= first.spent.candidate_nano <= 10_000 + 3_000
    assert 15_000 <= second.spent.candidate_nano <= 15_000 + 3_000
    assert last.spent.candidate_nano == 40_000
    assert len(it.gateway.called) + len(then.gateway.called) < 20


async def test_a_provider_that_is_gone_in_the_middle_stops_it_and_leaves_no_errors(
    tmp_path: Path,
) -> None:
    calls = 0

    def say(_place: str, _body: Any) -> Reply | Exception:  # noqa: ANN401
        nonlocal calls
        calls += 1
        return says("Yes") if calls <= 12 else ProviderError("nobody listens")

    run = await running(tmp_path, say, ROWS).run()
    again = running(tmp_path, always("Yes"), ROWS)
    whole = await again.run()

    assert run.stopped is Stop.PROVIDER
    assert [s.error for s in run.samples] == [""] * 12
    assert len(again.gateway.called) == 28
    assert (whole.stopped, len(whole.samples)) == (None, 40)


async def test_a_provider_that_was_never_there_stops_it_too(tmp_path: Path) -> None:
    run = await running(tmp_path, lambda _place, _body: refuses(503, "x"), ROWS[:2]).run()

    assert (run.stopped, run.samples) == (Stop.PROVIDER, ())


async def test_an_answer_that_nobody_gave_is_an_error_if_others_were_given(tmp_path: Path) -> None:
    def say(place: str, _body: Any) -> Reply:  # noqa: ANN401
        return refuses(503, "x") if "/q-0/candidate" in place else says("Yes")

    run = await running(tmp_path, say, ROWS[:5]).run()

    assert run.stopped is None
    assert [s.case for s in run.samples if s.error] == ["q-0"]


async def test_a_refused_key_stops_it_and_is_no_error_of_a_case(tmp_path: Path) -> None:
    run = await running(tmp_path, lambda _place, _body: refuses(401, "key_expired"), ROWS).run()

    assert (run.stopped, run.samples) == (Stop.NO_CREDENTIALS, ())


async def test_interrupted_it_ends_once_what_runs_is_through(tmp_path: Path) -> None:
    it = running(tmp_path, always("Yes"), ROWS)

    def say(_place: str, _body: Any) -> Reply:  # noqa: ANN401
        if len(it.gateway.called) >= 9:
            it.purse.stop(Stop.INTERRUPTED)
        return says("Yes")

    it.gateway = type(it.gateway)(say)
    run = await it.run()

    assert run.stopped is Stop.INTERRUPTED
    assert len(run.samples) == len(it.gateway.called) < 20
    journal = Journal(tmp_path, "ev_1")
    kept = [line for line in journal.lines() if isinstance(line, Answered)]
    journal.close()
    assert len(kept) == len(run.samples)


class Panel:
    """A judge that says all answers are refusals, and remembers where it was asked."""

    embedder = None
    remembered = 3
    warnings = ("the judge has moved",)

    def __init__(self, resolved: str = "") -> None:
        self.resolved = resolved
        self.places: list[str] = []
        said = '{"reason": "r", "refuses": true}'
        self.judge = ScriptedJudge({"refuses/refusal": lambda _question: said})

    def at(self, place: str) -> Judge:
        self.places.append(place)
        return self.judge

    def seen(self) -> JudgeSeen:
        return JudgeSeen(model="j", resolved=self.resolved)


async def test_a_judge_of_the_candidates_family_is_warned_about(tmp_path: Path) -> None:
    rows = [row(it, checks={"refuses": True}) for it in range(3)]
    panel = Panel("other/large-7")

    run = await running(tmp_path, always("Yes"), rows, JUDGED, judging=panel).run()

    assert len(run.warnings) == 2
    assert "is of the family of 'sim/large-1'" in run.warnings[1]


async def test_a_judge_is_asked_once_for_each_answer_and_never_again(tmp_path: Path) -> None:
    rows = [row(it, checks={"refuses": True}) for it in range(3)]
    panel = Panel()

    run = await running(tmp_path, always("Yes"), rows, JUDGED, judging=panel).run()
    asked = len(panel.judge.asked)
    again = await running(tmp_path, always("Yes"), rows, JUDGED, judging=panel).run()

    assert (asked, len(panel.judge.asked)) == (6, 6)
    assert set(panel.places) == {f"ev_1/q-{n}/judge/0" for n in range(3)}
    assert (run.judge, run.warnings, run.spent.judge_remembered) == (
        JudgeSeen(model="j"),
        panel.warnings,
        3,
    )
    assert plain(again) == plain(run)


async def test_where_nobody_judges_a_judged_metric_is_an_error(tmp_path: Path) -> None:
    rows = [row(it, checks={"refuses": True}) for it in range(3)]

    run = await running(tmp_path, always("Yes"), rows, JUDGED).run()

    assert {s.scores["refuses"].code for s in run.samples} == {"judge_unavailable"}
    assert list(run.samples[0].scores) == ["refuses", "exact_match"]


async def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    one: Running = running(tmp_path, by_arm("Yes", "No"), ROWS)
    (tmp_path / "other").mkdir()
    other = running(tmp_path / "other", always("No"), ROWS)

    runs = await asyncio.gather(one.run(), other.run())

    assert [len(run.samples) for run in runs] == [40, 40]
    assert {s.text for s in runs[1].samples} == {"No"}


async def test_what_a_name_led_to_before_is_told(tmp_path: Path) -> None:
    known = {
        (f"q-{n}", 0): Sample(
            case=f"q-{n}", arm=Arm.BASELINE, index=0, text="Yes", model="sim/large-0"
        )
        for n in range(20)
    }
    it = running(tmp_path, always("Yes"), ROWS, known=known)
    run = await it.run()

    assert run.warnings == ()
    assert run.baseline is not None
    assert run.baseline.answered == ("sim/large-0",)


async def test_an_answer_given_a_second_time_gets_its_full_name(tmp_path: Path) -> None:
    def say(place: str, _body: Any) -> Reply:  # noqa: ANN401
        return says("Yes", model="large-1" if "/q-1/" in place else "sim/large-1")

    run = await running(tmp_path, say, ROWS).run()

    assert {s.model for s in run.samples} == {"sim/large-1"}

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.evals.suites import row, suite_of
from tests.wiring.test_ragas import scripted

from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import BudgetExhausted, SettingsInvalid
from trimtab.evals.journal import Head
from trimtab.evals.metrics.ragas import NO_RAGAS
from trimtab.evals.result import Subject
from trimtab.testing import ScriptedAnswer, ScriptedProvider
from trimtab.wiring.eval_gateway import HttpGateway, Opened
from trimtab.wiring.eval_prompts import Here
from trimtab.wiring.eval_sides import Wanted
from trimtab.wiring.eval_store import read_stored
from trimtab.wiring.evals import Bench

ROWS = [row(it) for it in range(3)]
TARGET = "target: {model: answers}\nmetrics: {exact_match: {}}\n"
COUNTING = """
import json, os, sys
print(os.getpid(), file=sys.stderr, flush=True)
for line in sys.stdin:
    print(json.dumps({"id": json.loads(line)["id"], "value": 0.5}), flush=True)
"""


def answer() -> ScriptedAnswer:
    body = b'{"model": "m-1", "choices": [{"message": {"content": "Yes"}}]}'
    headers = ((b"x-trimtab-target", b"sim/m"), (b"x-trimtab-cost-usd", b"0.001"))
    return ScriptedAnswer([body], content_type=b"application/json", headers=headers)


class Table:
    """A bench over answers in turn, and what people are told there."""

    def __init__(self, home: Path, answers: int, nano: int | None = 1000) -> None:
        self.provider = ScriptedProvider(*(answer() for _ in range(answers)))
        self.said: list[str] = []
        self.done: list[int] = []
        self.bench = Bench(
            home=home,
            at=Opened("http://gateway", "tt_key", is_ours=True),
            gateway=HttpGateway(self.provider, "http://gateway", "tt_key"),
            library=Here(home, "ana"),
            snapshot=Snapshot(),
            prices=lambda _model, _read, _written: nano,
            say=self.said.append,
            watch=self.watch,
        )

    @contextmanager
    def watch(self, total: int) -> Generator[Callable[[int], None]]:
        self.done.append(total)
        yield self.done.append


async def test_a_run_is_estimated_made_and_kept(tmp_path: Path) -> None:
    table = Table(tmp_path, 6)

    run = await table.bench.run(suite_of(tmp_path, TARGET, ROWS), Wanted(model="cheap"))

    assert table.said == ["rag-golden: 6 answers; about answers $0.0000 (a guess)"]
    assert table.done == [3, 1, 2, 3]
    assert read_stored(tmp_path, run.run_id) == run
    assert run.candidate.answered == ("sim/m-1",)
    assert run.spent.candidate_nano == 6_000_000
    assert not list((tmp_path / "evals").glob("*.jsonl"))


async def test_the_next_one_is_estimated_by_it_and_takes_its_baseline_over(tmp_path: Path) -> None:
    table, suite = Table(tmp_path, 9), suite_of(tmp_path, TARGET, ROWS)
    first = await table.bench.run(suite, Wanted(model="cheap"))

    second = await table.bench.run(suite, Wanted(model="cheap"))

    assert table.said[1] == f"rag-golden: 3 answers; about answers $0.0030 (as in {first.run_id})"
    assert second.baseline is not None
    assert second.baseline.reused_from == first.run_id
    assert second.spent.candidate_calls == 3


async def test_over_its_money_nothing_is_asked(tmp_path: Path) -> None:
    table = Table(tmp_path, 0, nano=10**9)
    suite = suite_of(tmp_path, f"{TARGET}gate: {{max_usd: 5}}\n", ROWS)

    with pytest.raises(BudgetExhausted, match=r"would cost about \$6.0000, and may cost \$5"):
        await table.bench.run(suite, Wanted(model="cheap"))
    assert table.provider.sent == []


async def test_who_runs_it_may_allow_more(tmp_path: Path) -> None:
    table = Table(tmp_path, 6, nano=10**9)
    suite = suite_of(tmp_path, f"{TARGET}gate: {{max_usd: 5}}\n", ROWS)

    run = await table.bench.run(suite, Wanted(model="cheap", max_usd=7))

    assert run.stopped is None


async def test_what_has_no_price_is_said(tmp_path: Path) -> None:
    table = Table(tmp_path, 6, nano=None)

    await table.bench.run(suite_of(tmp_path, TARGET, ROWS), Wanted(model="cheap", max_usd=1))

    assert table.said == ["rag-golden: 6 answers; what they cost is not known"]


async def test_a_suite_without_a_target_cannot_be_run(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "metrics: {exact_match: {}}\n", ROWS)

    with pytest.raises(SettingsInvalid, match="names no target"):
        await Table(tmp_path, 0).bench.run(suite, Wanted())


async def test_a_run_does_not_go_on_with_another_suite(tmp_path: Path) -> None:
    head = Head(run_id="ev_1", file="s", suite_hash="old", candidate=Subject(name="answers"))

    with pytest.raises(SettingsInvalid, match="has changed since run 'ev_1' began"):
        await Table(tmp_path, 0).bench.resume(suite_of(tmp_path, TARGET, ROWS), head, Wanted())


async def test_metrics_that_need_a_judge_are_told_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    table = Table(tmp_path, 0)
    judged = suite_of(tmp_path, f"{TARGET}judge: {{model: j}}\n", ROWS)
    unnamed = suite_of(tmp_path, "target: {model: answers}\nmetrics: {faithfulness: {}}\n", ROWS)

    with pytest.raises(SettingsInvalid, match="faithfulness"):
        await table.bench.run(unnamed, Wanted(model="cheap"))
    assert table.said == []
    run = await Table(tmp_path, 6).bench.run(judged, Wanted(model="cheap"))
    assert run.judge is not None
    assert run.judge.model == "j"


RAGAS = (
    "target: {model: answers}\njudge: {model: m}\nmetrics: {ragas:context_recall: {}}\n"
    "repeats: {first: 1}\n"
)
WITH_CONTEXTS = [row(it, contexts=["c"]) for it in range(3)]


async def test_without_ragas_its_metrics_say_how_to_get_it(tmp_path: Path) -> None:
    table, suite = Table(tmp_path, 6), suite_of(tmp_path, RAGAS, WITH_CONTEXTS)

    run = await table.bench.run(suite, Wanted(model="cheap"))

    found = {it.scores["ragas:context_recall"] for it in run.samples}
    assert found == {NO_RAGAS}


async def test_ragas_serves_a_run_and_ends_with_it(tmp_path: Path) -> None:
    table, suite = Table(tmp_path, 6), suite_of(tmp_path, RAGAS, WITH_CONTEXTS)
    scripted(tmp_path, COUNTING)

    run = await table.bench.run(suite, Wanted(model="cheap"))

    assert [it.scores["ragas:context_recall"].value for it in run.samples] == [0.5] * 6
    (pid,) = (tmp_path / "ragas" / "ragas.log").read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)

"""Who judges a suite: built from its manifest, what the site knows, and prompts of three places."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.evals.gateways import ChatGateway, completion
from tests.evals.suites import suite_of
from tests.prompts import registry, version

from trimtab.control.prompts import NO_PROMPTS, Prompts
from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.model import Model, ModelKind, Target
from trimtab.evals.calling import Judging
from trimtab.evals.case import Case
from trimtab.evals.judging import judge_prompts
from trimtab.evals.manifest import make_metrics
from trimtab.evals.metrics.base import Answer
from trimtab.evals.panel import Panel
from trimtab.wiring.judge_cache import judge_cache
from trimtab.wiring.judging import JUDGES, judge_for, prompts_for

RUBRIC = "judge-rubric-grade"
TEXT = judge_prompts()[RUBRIC]
MINE = TEXT.replace("1.0.0", "2.0.0").replace("strictly", "kindly")
GRADE = '{"reason": "r", "score": 5}'
JUDGED = "judge: {model: judge-pinned, embeddings: embed}\nmetrics: {rubric: {rubric: good}}\n"
PINNED = Snapshot(
    models={
        name: Model(name=name, kind=ModelKind.FREEZER, to=Target("sim", f"{to}-2026-01-15"))
        for name, to in (("judge-pinned", "judge"), ("embed", "embed"))
    }
)


def published(text: str) -> Prompts:
    one = version(text)
    return registry(one, labels={f"{one.name}/production/default": one.version})


def panel(folder: Path, gateway: ChatGateway, body: str = JUDGED) -> Panel:
    found = judge_for(
        gateway, suite_of(folder, body), "ev_1", PINNED, judge_cache(folder / "cache")
    )
    assert found is not None
    return found


async def scored(panel: Panel, folder: Path) -> float | None:
    metric = make_metrics(suite_of(folder, JUDGED), panel.embedder)["rubric"]
    case = Case(id="q-0", input={"question": "q"})
    return (await metric.score(case, Answer(text="a"), panel.at("ev_1/q-0/judge/0"))).value


async def test_a_suite_gets_the_judge_that_it_names(tmp_path: Path) -> None:
    gateway = ChatGateway(GRADE)
    built = panel(tmp_path, gateway)
    judging: Judging = built

    value = await scored(built, tmp_path)

    assert value == 1
    assert (gateway.bodies[0]["model"], gateway.places) == ("judge-pinned", ["ev_1/q-0/judge/0"])
    seen = judging.seen()
    assert (seen.model, seen.resolved) == ("judge-pinned", "sim/judge-2026-01-15")
    assert list(seen.prompts) == [RUBRIC]
    assert (seen.signed, seen.refused, built.warnings) == (False, 0, ())
    assert built.embedder is not None
    assert built.embedder.model == "sim/embed-2026-01-15"


async def test_a_second_run_calls_nobody_and_tells_the_same(tmp_path: Path) -> None:
    gateway = ChatGateway(GRADE)
    first, second = (panel(tmp_path, gateway) for _ in range(2))

    values = [await scored(it, tmp_path) for it in (first, second)]

    assert (values, gateway.calls) == ([1, 1], 1)
    assert first.seen() == second.seen()
    assert (first.remembered, second.remembered) == (0, 1)


def test_a_suite_without_a_judge_has_none(tmp_path: Path) -> None:
    suite = suite_of(tmp_path)

    assert judge_for(ChatGateway(GRADE), suite, "ev_1", PINNED, judge_cache(tmp_path)) is None


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("metrics: {rubric: {rubric: good}}\n", "for rubric; name it in `judge.model`"),
        ("metrics: {embedding_similarity: {}}\n", "name it in `judge.embeddings`"),
        ("judge: {model: a}\nmetrics: {answer_relevancy: {}}\n", "name it in `judge.embeddings`"),
    ],
)
def test_a_model_that_is_needed_must_be_named(body: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=fault):
        panel(tmp_path, ChatGateway(GRADE), body)


async def test_verdicts_of_others_are_not_used_where_there_is_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scored(panel(tmp_path, ChatGateway(GRADE)), tmp_path)
    monkeypatch.setenv("TRIMTAB_CACHE_KEY", "0123456789abcdef")
    gateway = ChatGateway('{"reason": "r", "score": 1}')
    built = panel(tmp_path, gateway)

    value = await scored(built, tmp_path)

    assert (value, gateway.calls) == (0, 1)
    assert (built.seen().signed, built.seen().refused) == (True, 1)


async def test_verdicts_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    built = panel(tmp_path, ChatGateway(completion(GRADE)))

    await scored(built, tmp_path)

    assert "1 verdicts could not be kept" in built.warnings[0]


def versions(folder: Path, prompts: Prompts = NO_PROMPTS) -> Mapping[str, str]:
    return {name: it.version.version for name, it in prompts_for(folder, prompts).items()}


def test_all_prompts_are_ours_by_default(tmp_path: Path) -> None:
    assert versions(tmp_path) == dict.fromkeys(judge_prompts(), "1.0.0")


def test_a_prompt_of_the_registry_stands_in_for_ours(tmp_path: Path) -> None:
    found = versions(tmp_path, published(MINE))

    assert (found[RUBRIC], set(found) == judge_prompts().keys()) == ("2.0.0", True)


def test_a_file_beside_the_suite_stands_in_for_both(tmp_path: Path) -> None:
    (tmp_path / "mine.prompt.yaml").write_text(MINE.replace("2.0.0", "3.0.0"))

    assert versions(tmp_path, published(MINE))[RUBRIC] == "3.0.0"


def test_a_suite_reads_the_folder_beside_it(tmp_path: Path) -> None:
    (tmp_path / JUDGES).mkdir()
    (tmp_path / JUDGES / "mine.prompt.yaml").write_text(MINE)

    prompts = panel(tmp_path, ChatGateway(GRADE)).seen().prompts

    assert prompts[RUBRIC] == version(MINE).hash


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(MINE.replace(RUBRIC, "judge-x"), "no metric uses 'judge-x'", id="name"),
        pytest.param(
            MINE.replace("answer: {type: string, x-trust: user, x-fence: true}", "answer: {}"),
            "variables.answer: is not fenced",
            id="open to the candidate",
        ),
        pytest.param(
            MINE.replace("  scale:", "  size:").replace("$scale", "$size"),
            "variables: must be",
            id="variable",
        ),
        pytest.param(
            MINE[: MINE.index("output_schema:")], "output_schema: is missing", id="schema"
        ),
        pytest.param(MINE.replace("version: 2.0.0", "version: 2"), "write three numbers", id="bad"),
        pytest.param(
            MINE.replace("messages:\n", "messages:\n  - placeholder: history\n"),
            "a place for messages",
            id="placeholder",
        ),
    ],
)
def test_a_prompt_that_cannot_stand_in_for_ours_is_refused(
    text: str, fault: str, tmp_path: Path
) -> None:
    assert text != MINE
    path = tmp_path / "mine.prompt.yaml"
    path.write_text(text)

    with pytest.raises(SettingsInvalid, match=fault) as caught:
        prompts_for(tmp_path, NO_PROMPTS)

    assert str(path) in str(caught.value)


def test_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.prompt.yaml").write_bytes(b"\xff")

    with pytest.raises(SettingsInvalid) as caught:
        prompts_for(tmp_path, NO_PROMPTS)

    assert len(str(caught.value).splitlines()) == 2

import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.evals.running import says
from tests.evals.suites import row, suite_of
from tests.evals.test_reuse import stored

from trimtab.control.models import By
from trimtab.control.prompts import pointer_of
from trimtab.domain.change import Source
from trimtab.domain.errors import BumpTooSmall, NotFound, PromptNotFound, SettingsInvalid
from trimtab.domain.prompt import Label, Place
from trimtab.evals.answering import OfPrompt
from trimtab.evals.calling import Reply
from trimtab.evals.manifest import make_metrics
from trimtab.evals.paced import Paced
from trimtab.evals.purse import Purse
from trimtab.evals.result import Arm, CaseSeen, Run, Sample, Spent, Subject
from trimtab.evals.targets import OfFunction, OfProgram, OfService
from trimtab.evals.throttle import Throttle
from trimtab.testing import FrozenClock, ScriptedGateway
from trimtab.wiring import SystemClock
from trimtab.wiring.eval_gateway import Opened
from trimtab.wiring.eval_prompts import Here
from trimtab.wiring.eval_sides import Sides, Tools, Wanted
from trimtab.wiring.eval_store import store
from trimtab.wiring.evals import new_run_id
from trimtab.wiring.registry import read_prompts, registry

ROWS = [row(it) for it in range(2)]
OF_PROMPT = "target: {prompt: rag, model: answers}\n"
BY = By("ana", Source.CLI, "for a test")


def answer(question: str, prompt_version: str | None) -> str:
    return f"{question} {prompt_version}"


class Silent:
    """Nobody posts anything here."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        raise AssertionError(url, body, headers)


class Office:
    """A state directory with a registry, in which arms are found."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.threads = ThreadPoolExecutor(1)

    def sides(
        self, body: str = OF_PROMPT, suite_hash: str = "suite", files: Sequence[Path] = ()
    ) -> Sides:
        suite = suite_of(self.home, body + "metrics: {exact_match: {}}\n", ROWS)
        clock, purse = FrozenClock(), Purse()
        throttle = Throttle(2, clock)
        paced = Paced(
            gateway=ScriptedGateway(lambda _place, _body: says("Yes")),
            throttle=throttle,
            purse=purse,
            clock=clock,
            random=random.Random(7),  # noqa: S311
        )
        tools = Tools(
            run_id="ev_1",
            purse=purse,
            throttle=throttle,
            paced=paced,
            posting=Silent(),
            threads=self.threads,
            judging=None,
            metrics=make_metrics(suite),
            suite_hash=suite_hash,
        )
        assert suite.target is not None
        return Sides(
            home=self.home,
            at=Opened("http://gateway", "tt_key", is_ours=True),
            library=Here(self.home, "ana", files),
            suite=suite,
            target=suite.target,
            tools=tools,
        )

    def file(self, version: str, text: str) -> Path:
        path = self.home / f"rag-{version}.prompt.yaml"
        path.write_text(
            f"schema: 1\nname: rag\nversion: {version}\ndescription: d\nowner: o\n"
            f"template: '{text} $question'\n"
            "variables: {question: {type: string, x-trust: user}}\n"
        )
        return path

    async def publish(self, *versions: tuple[str, str]) -> None:
        for version, text in versions:
            files = read_prompts([self.file(version, text)])
            await registry(self.home).publish(files, BY)

    async def point(self, version: str, label: str = "production") -> None:
        await registry(self.home).control.move(
            pointer_of(Place("rag", label)),
            Label(version=version),
            reason="for a test",
            author="ana",
            source=Source.CLI,
        )


@pytest.fixture
async def office(tmp_path: Path) -> AsyncGenerator[Office]:
    made = Office(tmp_path)
    await made.publish(("1.0.0", "a"), ("1.1.0", "b"), ("1.2.0", "c"))
    await made.point("1.0.0")
    await made.point("1.1.0", "canary")
    yield made
    made.threads.shutdown()


async def test_the_newest_version_is_compared_with_production(office: Office) -> None:
    sides = office.sides()

    candidate, found = await sides.candidate(Wanted())
    baseline = await sides.baseline(Wanted(), candidate.subject)

    assert (candidate.subject.name, candidate.subject.model) == ("rag@1.2.0", "answers")
    assert found is not None
    assert candidate.subject.prompt_hash == found.hash
    assert isinstance(candidate.answering, OfPrompt)
    assert candidate.answering.version == "1.2.0"
    assert dict(candidate.answering.variables) == {
        "question": {"type": "string", "x-trust": "user"}
    }
    assert baseline.side is not None
    assert (baseline.side.subject.name, baseline.side.subject.label) == ("rag@1.0.0", "production")
    assert (baseline.warning, baseline.unpaired) == ("", ())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("rag@1.1.0", "rag@1.1.0"),
        ("rag@canary", "rag@1.1.0"),
        ("rag", "rag@1.2.0"),
        ("1.1.0", "rag@1.1.0"),
    ],
)
async def test_a_candidate_is_named_by_version_or_label(
    office: Office, text: str, name: str
) -> None:
    candidate, _ = await office.sides().candidate(Wanted(candidate=text))

    assert candidate.subject.name == name


@pytest.mark.parametrize(
    ("text", "name"), [("1.1.0", "rag@1.1.0"), ("canary", "rag@1.1.0"), ("rag@1.0.0", "rag@1.0.0")]
)
async def test_so_is_a_baseline(office: Office, text: str, name: str) -> None:
    sides = office.sides()
    candidate, _ = await sides.candidate(Wanted())

    baseline = await sides.baseline(Wanted(baseline=text), candidate.subject)

    assert baseline.side is not None
    assert baseline.side.subject.name == name


async def test_another_model_is_the_candidates_alone(office: Office) -> None:
    sides, wanted = office.sides(), Wanted(candidate="rag@production", model="cheap")

    candidate, _ = await sides.candidate(wanted)
    baseline = await sides.baseline(wanted, candidate.subject)

    assert baseline.side is not None
    assert (candidate.subject.model, baseline.side.subject.model) == ("cheap", "answers")


async def test_what_is_not_there_is_told(office: Office) -> None:
    sides = office.sides()
    candidate, _ = await sides.candidate(Wanted())

    for text in ("rag@9.9.9", "rag@stage", "nothing@1.0.0", "nothing"):
        with pytest.raises(PromptNotFound):
            await sides.candidate(Wanted(candidate=text))
    with pytest.raises(PromptNotFound):
        await sides.baseline(Wanted(baseline="9.9.9"), candidate.subject)
    with pytest.raises(NotFound):
        await sides.baseline(Wanted(baseline="ev_0"), candidate.subject)


async def test_without_a_production_label_there_is_no_baseline_and_people_know(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path)
    await office.publish(("1.0.0", "a"))
    sides = office.sides()
    candidate, _ = await sides.candidate(Wanted())

    baseline = await sides.baseline(Wanted(), candidate.subject)

    assert (baseline.side, baseline.warning) == (
        None,
        "prompt 'rag' has no label production; there is no baseline",
    )


async def test_nothing_is_compared_with_itself_or_if_nobody_wants_it(office: Office) -> None:
    sides = office.sides()
    candidate, _ = await sides.candidate(Wanted(candidate="rag@1.0.0"))

    same = await sides.baseline(Wanted(), candidate.subject)
    none = await sides.baseline(Wanted(baseline="none"), candidate.subject)

    assert (same.side, "so is what it would be compared with" in same.warning) == (None, True)
    assert (none.side, none.warning) == (None, "")


async def test_a_file_is_published_once(office: Office) -> None:
    sides, file = office.sides(), office.file("1.3.0", "d")

    for _ in range(2):
        candidate, _ = await sides.candidate(Wanted(prompt=file))
        assert candidate.subject.name == "rag@1.3.0"
    other = office.file("1.3.1", "e")
    with pytest.raises(BumpTooSmall):
        await sides.candidate(Wanted(prompt=other))

    assert len((await registry(office.home).prompts()).versions["rag"]) == 4


def earlier(subject: Subject, sides: Sides, **members: Any) -> Run:  # noqa: ANN401
    now_us = SystemClock().now_us()
    run = replace(
        stored(),
        run_id=new_run_id(),
        candidate=subject,
        baseline=None,
        cases=tuple(CaseSeen(id=it.id, hash=it.hash, input={}) for it in sides.suite.cases),
        samples=(Sample(case="q-0", arm=Arm.CANDIDATE, index=0, text="Yes"),),
        spent=Spent(ended_us=now_us),
    )
    return replace(run, **members)


async def test_what_production_answered_lately_counts_unless_nobody_wants_it(
    office: Office,
) -> None:
    sides = office.sides()
    production, _ = await sides.candidate(Wanted(candidate="rag@production"))
    before = earlier(production.subject, sides)
    store(office.home, before)
    candidate, _ = await sides.candidate(Wanted())

    known = await sides.baseline(Wanted(), candidate.subject)
    anew = await sides.baseline(Wanted(reuse=False), candidate.subject)

    assert known.side is not None
    assert set(known.side.known) == {("q-0", 0)}
    assert known.side.subject.reused_from == before.run_id
    assert known.side.answering is not None
    assert anew.side is not None
    assert (anew.side.known, anew.side.subject.reused_from) == ({}, None)


async def test_a_named_run_answers_with_what_it_has_alone(office: Office) -> None:
    sides = office.sides()
    candidate, _ = await sides.candidate(Wanted())
    before = earlier(candidate.subject, sides, suite_hash="another")
    store(office.home, replace(before, cases=before.cases[:1]))

    baseline = await sides.baseline(Wanted(baseline=before.run_id), candidate.subject)

    assert baseline.side is not None
    assert baseline.side.answering is None
    assert baseline.unpaired == ("q-1",)


async def test_a_run_goes_on_with_what_it_began_with(office: Office) -> None:
    sides = office.sides()
    candidate, _ = await sides.candidate(Wanted(candidate="rag@canary"))
    await office.point("1.2.0", "canary")

    again = await sides.again(candidate.subject)

    assert again.subject == candidate.subject
    assert isinstance(again.answering, OfPrompt)
    assert again.answering.version == "1.1.0"
    with pytest.raises(SettingsInvalid, match="is not what it was"):
        await sides.again(replace(candidate.subject, prompt_hash="0"))


async def test_a_run_goes_on_with_the_answers_that_it_took_over(office: Office) -> None:
    sides = office.sides()
    production, _ = await sides.candidate(Wanted(candidate="rag@production"))
    before = earlier(production.subject, sides)
    store(office.home, before)
    subject = replace(production.subject, reused_from=before.run_id)

    lately = await sides.again(subject)
    by_name = await office.sides(suite_hash="another").again(subject)

    assert (set(lately.known), lately.answering is None) == ({("q-0", 0)}, False)
    assert (set(by_name.known), by_name.answering is None) == ({("q-0", 0)}, True)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("{python: 'tests.wiring.test_eval_sides:answer'}", OfFunction),
        ("{http: 'http://127.0.0.1:5000/a'}", OfService),
        ("{command: [python, app.py]}", OfProgram),
    ],
)
async def test_an_application_is_told_the_version_to_use(
    office: Office, target: str, kind: type[OfFunction | OfService | OfProgram]
) -> None:
    sides = office.sides(f"target: {target}\n")

    bare, _ = await sides.candidate(Wanted())
    candidate, _ = await sides.candidate(Wanted(candidate="rag@1.2.0"))
    baseline = await sides.baseline(Wanted(), candidate.subject)

    assert isinstance(candidate.answering, kind)
    assert candidate.answering.turn.version == "1.2.0"
    assert (candidate.answering.turn.url, candidate.answering.turn.key) == (
        "http://gateway",
        "tt_key",
    )
    assert candidate.subject.name.endswith(" rag@1.2.0")
    assert baseline.side is not None
    assert baseline.side.subject.prompt_version == "1.0.0"
    assert (bare.subject.prompt, bare.subject.code_hash is None) == (None, kind is OfService)
    with pytest.raises(SettingsInvalid, match="leave out --model"):
        await sides.candidate(Wanted(model="cheap"))
    with pytest.raises(SettingsInvalid, match="names no prompt"):
        await sides.baseline(Wanted(baseline="1.0.0"), bare.subject)


async def test_a_bare_model_is_compared_with_that_of_the_suite(office: Office) -> None:
    sides = office.sides("target: {model: answers}\n")
    candidate, _ = await sides.candidate(Wanted(model="cheap"))

    baseline = await sides.baseline(Wanted(), candidate.subject)

    assert candidate.subject == Subject(name="cheap", model="cheap")
    assert baseline.side is not None
    assert baseline.side.subject.name == "answers"


async def test_a_service_that_cannot_be_called_is_told_before_the_run(office: Office) -> None:
    with pytest.raises(SettingsInvalid, match="'ftp://app' is not an http"):
        await office.sides("target: {http: 'ftp://app'}\n").candidate(Wanted())


async def test_a_prompt_that_nobody_published_is_the_projects_own_file(office: Office) -> None:
    path = office.file("2.0.0", "d")
    path.write_text(path.read_text().replace("name: rag", "name: other"))
    sides = office.sides(OF_PROMPT.replace("rag", "other"), files=[path])

    candidate, _ = await sides.candidate(Wanted())

    assert candidate.subject.name == "other@2.0.0"


async def test_a_file_is_not_published_beside_versions_unless_it_is_asked_for(
    office: Office,
) -> None:
    sides = office.sides(files=[office.file("2.0.0", "d")])

    candidate, _ = await sides.candidate(Wanted())

    assert candidate.subject.name == "rag@1.2.0"
    newest = (await registry(office.home).prompts()).newest("rag")
    assert newest is not None
    assert newest.version == "1.2.0"

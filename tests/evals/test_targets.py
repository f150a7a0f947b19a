import asyncio
import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.evals.running import refuses

from trimtab.domain.errors import ProviderError, SettingsInvalid
from trimtab.domain.evaluation import evaluation
from trimtab.evals.answering import Said
from trimtab.evals.calling import Reply
from trimtab.evals.case import Case
from trimtab.evals.purse import Purse
from trimtab.evals.targets import (
    OfFunction,
    OfProgram,
    OfService,
    Turn,
    code_hash,
    find_function,
    program_hash,
)
from trimtab.evals.throttle import Throttle
from trimtab.testing import FrozenClock

CASE = Case(id="q", input={"question": "Why?"})
PLACE = "ev_1/q/candidate/0"


def turn(version: str | None = "1.2.0", purse: Purse | None = None) -> Turn:
    clock = FrozenClock()
    return Turn(
        throttle=Throttle(4, clock),
        purse=purse or Purse(),
        clock=clock,
        version=version,
        url="http://gateway",
        key="tt_dev_key",
    )


async def of(function: Any, case: Case = CASE) -> Said:  # noqa: ANN401
    with ThreadPoolExecutor(4) as threads:
        target = OfFunction(function=function, turn=turn(), threads=threads)
        return await target.answer(case, place=PLACE)


def plain(question: str, prompt_version: str) -> str:
    return f"{question} {prompt_version}"


async def asynchronous(question: str, prompt_version: str) -> Mapping[str, object]:
    await asyncio.sleep(0)
    return {"text": f"{question} {prompt_version}", "retrieved": ["a", "b"], "more": 1}


def test_a_function_answers_with_a_text() -> None:
    told = asyncio.run(of(plain))

    assert (told.text, told.retrieved, told.error) == ("Why? 1.2.0", None, "")


async def test_or_with_an_object_of_text_and_what_it_retrieved() -> None:
    told = await of(asynchronous)
    same = await of(lambda **_: SimpleNamespace(text="Yes", retrieved=("a",)))

    assert (told.text, told.retrieved) == ("Why? 1.2.0", ("a", "b"))
    assert (same.text, same.retrieved) == ("Yes", ("a",))


async def test_what_it_raises_or_gives_that_is_no_answer_is_an_error_of_the_case() -> None:
    def broken(**_: object) -> str:
        raise KeyError("question")

    assert await of(broken) == Said(
        error="target_failed", error_detail="KeyError: 'question'", latency_s=0.0
    )
    assert (await of(lambda **_: 7)).error == "answer_unreadable"
    assert (await of(lambda **_: {"answer": "x"})).error == "answer_unreadable"
    assert (await of(lambda: "x")).error == "target_failed"


async def test_functions_run_beside_each_other_and_each_knows_its_place() -> None:
    seen = list[str]()

    def answer(question: str, prompt_version: str) -> str:
        _ = prompt_version
        current = evaluation()
        assert current is not None
        seen.append(current.place)
        return f"{question} {current.headers['x-trimtab-eval']} {current.url} {current.key}"

    with ThreadPoolExecutor(4) as threads:
        target = OfFunction(function=answer, turn=turn(), threads=threads)
        told = await asyncio.gather(
            *(target.answer(CASE, place=f"ev_1/q-{it}/candidate/0") for it in range(8))
        )

    assert [it.text for it in told] == [
        f"Why? ev_1/q-{it}/candidate/0 http://gateway tt_dev_key" for it in range(8)
    ]
    assert evaluation() is None


async def test_calls_of_async_functions_know_it_too() -> None:
    async def answer(**_: object) -> str:
        await asyncio.sleep(0)
        current = evaluation()
        return current.place if current else ""

    assert (await of(answer)).text == PLACE
    assert evaluation() is None


class Service:
    """Gives one answer, and remembers what it was sent."""

    def __init__(self, answer: Reply | Exception) -> None:
        self.sent: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.answer = answer

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        self.sent.append((url, body, headers))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def ask(service: Service, version: str | None = "1.2.0", purse: Purse | None = None) -> Said:
    target = OfService(url="http://app/answer", turn=turn(version, purse), posting=service)
    return await target.answer(CASE, place=PLACE)


async def test_a_service_is_posted_the_input_and_the_place() -> None:
    service = Service(Reply(status=200, body=b'{"text": "Yes", "retrieved": ["a"]}'))

    told, _ = await ask(service), await ask(service, None)

    assert (told.text, told.retrieved) == ("Yes", ("a",))
    (url, body, headers), (_, bare, _) = service.sent
    assert url == "http://app/answer"
    assert json.loads(body) == {"question": "Why?", "prompt_version": "1.2.0"}
    assert json.loads(bare) == {"question": "Why?"}
    assert headers == {"x-trimtab-eval": PLACE}


@pytest.mark.parametrize("body", [b"Yes\n", b'{"sku": 7}', b'["a"]', b'"Yes"'])
async def test_whatever_is_no_object_with_a_text_is_the_text(body: bytes) -> None:
    assert (await ask(Service(Reply(status=200, body=body)))).text == body.decode().strip()


async def test_a_service_that_fails_or_is_gone_is_an_error() -> None:
    purse = Purse()
    told = [
        await ask(Service(it), purse=purse)
        for it in (refuses(500, "x"), refuses(503, "x"), ProviderError("nobody"))
    ]

    assert [(it.error, it.missed) for it in told] == [
        ("target_failed", False),
        ("target_failed", True),
        ("provider_error", True),
    ]
    assert purse.unanswered == 2


def program(source: str, folder: Path) -> OfProgram:
    command = (sys.executable, "-c", source)
    return OfProgram(command=command, turn=turn(), environ={"A": "b"}, folder=folder)


async def test_a_program_reads_json_and_writes_its_answer(tmp_path: Path) -> None:
    source = (
        "import json, os, sys; asked = json.load(sys.stdin); print(json.dumps({'text':"
        " asked['question'] + asked['prompt_version'] + os.environ['TRIMTAB_EVAL']"
        " + os.environ['A'] + os.getcwd()}))"
    )

    told = await program(source, tmp_path).answer(CASE, place=PLACE)

    assert told.text == f"Why?1.2.0{PLACE}b{tmp_path}"


async def test_a_program_that_fails_tells_its_last_line(tmp_path: Path) -> None:
    told = await program("raise ValueError('no index')", tmp_path).answer(CASE, place=PLACE)
    none = OfProgram(command=("./nothing",), turn=turn(), environ={}, folder=tmp_path)

    assert told.error_detail == "it ended with 1: ValueError: no index"
    assert (await none.answer(CASE, place=PLACE)).error == "target_failed"


async def test_no_shell_reads_its_words(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; print(sys.argv[1])", "$(id); `id` | x")
    target = OfProgram(command=command, turn=turn(), environ={}, folder=tmp_path)

    assert (await target.answer(CASE, place=PLACE)).text == "$(id); `id` | x"


def test_a_function_is_found_by_its_module_and_name() -> None:
    assert find_function("json:dumps") is json.dumps
    for path in ("json", "json:nothing", "no.such:thing", "json:__doc__"):
        with pytest.raises(SettingsInvalid, match="target"):
            find_function(path)


def test_the_code_of_a_target_has_a_hash(tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text("print(1)")
    before = program_hash(("python", "app.py"), tmp_path)
    script.write_text("print(2)")

    assert before != program_hash(("python", "app.py"), tmp_path)
    assert code_hash(plain) == code_hash(asynchronous)
    assert code_hash(plain) != code_hash(json.dumps)
    assert code_hash(len) is None

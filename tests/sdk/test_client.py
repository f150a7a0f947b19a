import asyncio
import logging
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.sdk.conftest import MakeClient, eventually
from tests.sdk.registry import FakeRegistry, Handler, chat, rag, variable, version

from trimtab.domain.errors import (
    InvalidRequest,
    NotAVersion,
    PromptNotFound,
    PromptUnavailable,
    PromptVariablesInvalid,
    SettingsInvalid,
    VersionBlocked,
)
from trimtab.domain.prompt import Content, Engine
from trimtab.sdk import Prompts
from trimtab.testing import FrozenClock

ASKED = {"question": "Why?", "context": "Because."}
NEVER_S = 600.0
JSON = "application/json"


def test_renders_where_the_label_points(client: MakeClient) -> None:
    prompt = client().render("rag-answer", ASKED)

    assert prompt.text is not None
    assert prompt.text.startswith("You are a technical assistant.")
    assert prompt.text.endswith("QUESTION:\nWhy?\n")
    assert prompt.messages == [{"role": "user", "content": prompt.text}]
    assert (prompt.version, prompt.label, prompt.scope) == ("3.2.0", "production", "default")
    assert (prompt.source, prompt.stale) == ("live", False)


def test_a_warm_client_asks_nobody(registry: FakeRegistry, client: MakeClient) -> None:
    prompts = client(poll_s=NEVER_S)
    prompts.load("rag-answer")

    found = [prompts.render("rag-answer", ASKED).source for _ in range(5)]

    assert found == ["memory"] * 5
    assert registry.count("/labels/") == 1


def test_a_variable_that_is_missing_is_told_before_anything_is_sent(client: MakeClient) -> None:
    with pytest.raises(PromptVariablesInvalid, match="needs the variable 'context'"):
        client().render("rag-answer", {"question": "Why?"})


def test_the_conversation_goes_where_the_prompt_has_its_place(
    registry: FakeRegistry, client: MakeClient
) -> None:
    registry.publish(version("4.0.0", chat()))

    said = client().render(
        "rag-answer",
        {"question": "And?"},
        version="4.0.0",
        messages=[{"role": "user", "content": "Hi"}],
    )

    assert [it["content"] for it in said.messages] == ["Be brief, friend.", "Hi", "And?"]
    assert said.text is None


def test_the_conversation_follows_a_prompt_without_a_place_for_it(client: MakeClient) -> None:
    prompt = client().render("rag-answer", ASKED, messages=[{"role": "user", "content": "Hi"}])

    assert [it["content"] for it in prompt.messages] == [prompt.text, "Hi"]


def test_a_fenced_value_stands_between_lines_nobody_can_guess(
    registry: FakeRegistry, client: MakeClient
) -> None:
    fenced = rag("$context", variables={"context": variable(None, **{"x-fence": True})})
    registry.publish(version("3.3.0", fenced))
    prompts = client()

    texts = {prompts.render("rag-answer", {"context": "C"}, version="3.3.0").text for _ in range(2)}

    assert len(texts) == 2
    assert all(text is not None and "\nC\n<<<end " in text for text in texts)


@pytest.mark.parametrize("streams", [True, False], ids=["told", "polled"])
def test_a_moved_label_is_followed_in_the_background(
    *, streams: bool, registry: FakeRegistry, client: MakeClient
) -> None:
    registry.streams = streams
    prompts = client(poll_s=NEVER_S if streams else 0.02)
    prompts.load("rag-answer")
    eventually(lambda: registry.count("wait=0") > 1)
    registry.publish(version("3.3.0", rag("$question $context $persona")))

    registry.move("3.3.0")

    eventually(lambda: prompts.render("rag-answer", ASKED).version == "3.3.0")
    assert prompts.render("rag-answer", ASKED).source == "memory"


def test_a_move_elsewhere_asks_for_nothing(registry: FakeRegistry, client: MakeClient) -> None:
    prompts = client()
    prompts.load("rag-answer")

    registry.move("3.2.0", label="staging")

    polls = registry.count("wait=0")
    eventually(lambda: registry.count("wait=0") > polls + 2)
    assert registry.count("/labels/") == 1


def test_each_tenant_has_its_own_scope(registry: FakeRegistry, client: MakeClient) -> None:
    registry.publish(version("3.3.0", rag("$question $context $persona")))
    registry.move("3.3.0", scope="tenant:acme")
    prompts = client()

    acme = prompts.render("rag-answer", ASKED, tenant="acme")
    other = prompts.render("rag-answer", ASKED, tenant="other")

    assert (acme.version, acme.scope) == ("3.3.0", "tenant:acme")
    assert (other.version, other.scope) == ("3.2.0", "default")


def test_a_version_is_kept_for_ever(registry: FakeRegistry, client: MakeClient) -> None:
    clock = FrozenClock()
    prompts = client(clock=clock)
    first = prompts.render("rag-answer", ASKED, version="3.2.0")
    registry.stop()

    clock.advance(3000.0)
    later = prompts.render("rag-answer", ASKED, version="3.2.0")

    assert (first.source, later.source, later.age_s, later.stale) == ("live", "memory", 0.0, False)
    assert (later.label, later.scope, later.text) == (None, None, first.text)


def test_a_blocked_version_is_dropped_at_the_next_poll(
    registry: FakeRegistry, client: MakeClient
) -> None:
    prompts = client()
    prompts.render("rag-answer", ASKED, version="3.2.0")

    registry.block("rag-answer@3.2.0")

    eventually(lambda: _is_blocked(prompts))


def test_a_blocked_version_stays_blocked_when_the_registry_dies(
    registry: FakeRegistry, client: MakeClient, tmp_path: object
) -> None:
    prompts = client(cache_dir=str(tmp_path), timeout_s=0.2)
    prompts.render("rag-answer", ASKED, version="3.2.0")
    registry.block("rag-answer@3.2.0")
    eventually(lambda: _is_blocked(prompts))

    registry.stop()

    assert _is_blocked(prompts)


def _is_blocked(prompts: Prompts) -> bool:
    try:
        prompts.render("rag-answer", ASKED, version="3.2.0")
    except VersionBlocked:
        return True
    return False


def test_a_label_that_was_unset_is_told(registry: FakeRegistry, client: MakeClient) -> None:
    prompts = client()
    prompts.load("rag-answer")

    registry.unset()

    eventually(lambda: _is_gone(prompts))


def _is_gone(prompts: Prompts) -> bool:
    try:
        prompts.render("rag-answer", ASKED)
    except PromptNotFound:
        return True
    return False


def test_outlives_its_registry_and_says_how_old_it_is(
    registry: FakeRegistry, client: MakeClient
) -> None:
    clock = FrozenClock()
    prompts = client(clock=clock, timeout_s=0.2)
    prompts.load("rag-answer")
    registry.stop()

    clock.advance(29.0)
    early = prompts.render("rag-answer", ASKED)
    clock.advance(11.0)
    late = prompts.render("rag-answer", ASKED)

    assert (early.age_s, early.stale) == (29.0, False)
    assert (late.source, late.age_s, late.stale) == ("memory", 40.0, True)


def test_polls_that_find_nothing_keep_a_prompt_young(
    registry: FakeRegistry, client: MakeClient
) -> None:
    clock = FrozenClock()
    prompts = client(clock=clock)
    prompts.load("rag-answer")

    for _ in range(3):
        clock.advance(20.0)
        polls = registry.count("wait=0")
        eventually(lambda polls=polls: registry.count("wait=0") > polls + 1)

    prompt = prompts.render("rag-answer", ASKED)
    assert (prompt.age_s, prompt.stale) == (0.0, False)
    assert registry.count("/labels/") == 1


def test_a_label_that_moved_to_nobody_knows_where_grows_old(
    registry: FakeRegistry, client: MakeClient
) -> None:
    clock = FrozenClock()
    prompts = client(clock=clock)
    prompts.load("rag-answer")
    registry.fault = lambda it: "/labels/" in it.path and it.reply(503, {}) is None

    registry.move("3.2.0")
    eventually(lambda: registry.count("/labels/") > 1)
    clock.advance(31.0)
    polls = registry.count("wait=0")
    eventually(lambda: registry.count("wait=0") > polls + 2)

    prompt = prompts.render("rag-answer", ASKED)
    assert (prompt.version, prompt.age_s, prompt.stale) == ("3.2.0", 31.0, True)


def test_a_client_that_slept_asks_before_it_answers(
    registry: FakeRegistry, client: MakeClient
) -> None:
    clock = FrozenClock()
    registry.streams = False
    prompts = client(clock=clock, poll_s=NEVER_S / 30, revalidate_s=5.0)
    prompts.load("rag-answer")
    eventually(lambda: registry.count("wait=0") > 1)
    registry.publish(version("3.3.0", rag("$question $context $persona")))
    registry.move("3.3.0")

    clock.advance(NEVER_S)
    prompt = prompts.render("rag-answer", ASKED)

    assert (prompt.version, prompt.stale, prompt.age_s) == ("3.3.0", False, 0.0)


def test_a_client_that_slept_beside_a_dead_registry_answers_with_what_it_has(
    registry: FakeRegistry, client: MakeClient
) -> None:
    clock = FrozenClock()
    prompts = client(clock=clock)
    prompts.load("rag-answer")
    hang = threading.Event()
    registry.fault = lambda _it: hang.wait(2.0)
    try:
        clock.advance(NEVER_S)
        prompt = prompts.render("rag-answer", ASKED)
    finally:
        hang.set()

    assert (prompt.version, prompt.stale, prompt.age_s) == ("3.2.0", True, NEVER_S)


def test_a_registry_that_knows_less_than_before_is_not_followed(
    registry: FakeRegistry, client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FrozenClock()
    prompts = client(clock=clock)
    prompts.load("rag-answer")
    registry.publish(version("3.1.0", rag("old $question $context $persona")))
    registry.move("3.1.0")
    registry.known = 7

    clock.advance(31.0)
    eventually(lambda: "knows less than before" in caplog.text)
    prompt = prompts.render("rag-answer", ASKED)

    assert (prompt.version, prompt.stale) == ("3.2.0", True)


def test_an_answer_from_before_the_move_is_asked_for_again(
    registry: FakeRegistry, client: MakeClient
) -> None:
    prompts = client()
    prompts.load("rag-answer")
    old = registry.answer("rag-answer", "production", None)
    registry.publish(version("3.3.0", rag("$question $context $persona")))
    behind = iter(range(3))

    def late(handler: Handler) -> bool:
        if "/labels/" not in handler.path or next(behind, None) is None:
            return False
        handler.reply(200, old)
        return True

    registry.fault = late

    registry.move("3.3.0")

    eventually(lambda: prompts.render("rag-answer", ASKED).version == "3.3.0")
    assert registry.count("/labels/") == 5


@pytest.mark.parametrize("part", ["wait=0", "/labels/"])
def test_what_one_worker_told_is_asked_for_until_another_knows_it(
    registry: FakeRegistry, client: MakeClient, part: str
) -> None:
    prompts = client(poll_s=NEVER_S)
    prompts.load("rag-answer")
    eventually(lambda: registry.count("events?after") > 1)
    old = registry.answer("rag-answer", "production", None)
    hello = b'event: hello\ndata: {"config_seq": %d}\n\n' % registry.seq
    behind = iter(range(4))

    def late(handler: Handler) -> bool:
        if part not in handler.path or next(behind, None) is None:
            return False
        is_news = part == "wait=0"
        handler.reply(200, hello if is_news else old, "text/event-stream" if is_news else JSON)
        return True

    registry.publish(version("3.3.0", rag("$question $context $persona")))
    registry.fault = late
    registry.move("3.3.0")

    eventually(lambda: prompts.render("rag-answer", ASKED).version == "3.3.0")


def test_a_worker_that_is_behind_for_a_moment_is_no_restored_registry(
    registry: FakeRegistry, client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FrozenClock()
    prompts = client(clock=clock)
    prompts.load("rag-answer")
    registry.known = registry.seq - 1

    polls = registry.count("wait=0")
    eventually(lambda: registry.count("wait=0") > polls + 3)
    early = caplog.text
    clock.advance(6.0)

    eventually(lambda: "knows less than before" in caplog.text)
    assert "knows less" not in early


def test_asks_for_everything_again_when_the_registry_forgot_where_it_was(
    registry: FakeRegistry, client: MakeClient
) -> None:
    registry.streams = False
    prompts = client(poll_s=0.2)
    prompts.load("rag-answer")
    registry.publish(version("3.3.0", rag("$question $context $persona")))
    registry.move("3.3.0")
    registry.events.clear()
    registry.oldest = registry.seq

    eventually(lambda: prompts.render("rag-answer", ASKED).version == "3.3.0")


def test_many_threads_that_need_the_same_prompt_ask_once(
    registry: FakeRegistry, client: MakeClient
) -> None:
    prompts = client(poll_s=NEVER_S)
    start = threading.Barrier(16)

    def first(_number: int) -> str:
        start.wait()
        return prompts.render("rag-answer", ASKED).version

    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(first, range(16)))

    assert found == {"3.2.0"}
    assert registry.count("/labels/") == 1


def test_a_loop_can_have_a_prompt_loaded_without_waiting(client: MakeClient) -> None:
    prompts = client()

    async def app() -> str:
        await prompts.aload("rag-answer")
        return prompts.render("rag-answer", ASKED).source

    assert asyncio.run(app()) == "memory"


def test_a_fork_goes_on_with_a_stream_of_its_own(
    registry: FakeRegistry, client: MakeClient
) -> None:
    prompts = client(poll_s=NEVER_S)
    prompts.load("rag-answer")
    eventually(lambda: registry.count("events?after") > 1)
    asked = registry.count("events?after")

    child = os.fork()
    if child == 0:
        try:
            prompts.render("rag-answer", ASKED)
            eventually(lambda: prompts.render("rag-answer", ASKED).version == "3.3.0")
            prompts.close()
            os._exit(0)
        finally:
            os._exit(1)
    try:
        eventually(lambda: registry.count("events?after") > asked + 1)
        registry.publish(version("3.3.0", rag("$question $context $persona")))
        registry.move("3.3.0")
        eventually(lambda: prompts.render("rag-answer", ASKED).version == "3.3.0")
        _, status = os.waitpid(child, 0)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise

    assert os.waitstatus_to_exitcode(status) == 0


def test_a_fork_that_closes_its_client_leaves_the_parents_stream_open(
    registry: FakeRegistry, client: MakeClient
) -> None:
    prompts = client(poll_s=NEVER_S)
    prompts.load("rag-answer")
    eventually(lambda: registry.count("wait=0") > 1)

    child = os.fork()
    if child == 0:
        prompts.render("rag-answer", ASKED)
        prompts.close()
        os._exit(0)
    os.waitpid(child, 0)
    streams = registry.count("events?after") - registry.count("wait=0")
    registry.publish(version("3.3.0", rag("$question $context $persona")))
    registry.move("3.3.0")

    eventually(lambda: prompts.render("rag-answer", ASKED).version == "3.3.0")
    assert registry.count("events?after") - registry.count("wait=0") == streams


def test_a_closed_client_renders_what_it_has_and_asks_for_nothing_more(
    registry: FakeRegistry, client: MakeClient
) -> None:
    prompts = client()
    prompts.load("rag-answer")

    prompts.close()

    assert prompts.render("rag-answer", ASKED).version == "3.2.0"
    with pytest.raises(PromptUnavailable):
        prompts.render("rag-answer", ASKED, label="staging")
    assert registry.count("/labels/staging") == 0


def test_closing_does_not_wait_for_a_stream(registry: FakeRegistry) -> None:
    with Prompts(registry.url, "tt_dev_key", timeout_s=60.0) as prompts:
        prompts.load("rag-answer")
        eventually(lambda: registry.count("events?after") > 1)

    eventually(lambda: not [it for it in threading.enumerate() if "trimtab" in it.name])


def test_logs_the_version_and_hash_of_the_text_that_was_used(
    registry: FakeRegistry, client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    prompts = client()

    with caplog.at_level(logging.INFO, "trimtab.sdk"):
        prompt = prompts.render("rag-answer", ASKED)

    assert prompt.hash == registry.versions["rag-answer@3.2.0"].hash
    line = f"prompt rag-answer@3.2.0 hash={prompt.hash} label=production scope=default source=live"
    assert line in caplog.text
    assert "Because." not in caplog.text


def test_what_only_the_server_renders_is_asked_for_there(
    registry: FakeRegistry, client: MakeClient
) -> None:
    jinja = rag("{{ question }}", engine=Engine.JINJA)
    registry.publish(version("3.3.0", jinja))
    registry.move("3.3.0")
    prompts = client()

    prompt = prompts.render("rag-answer", ASKED, messages=[{"role": "user", "content": "Hi"}])

    assert [it["content"] for it in prompt.messages] == ["rendered: Why?", "Hi"]
    assert (prompt.version, prompt.hash) == ("3.3.0", version("3.3.0", jinja).hash)
    with pytest.raises(PromptVariablesInvalid):
        prompts.render("rag-answer", {"context": "C"})


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        pytest.param({"name": "../admin"}, InvalidRequest, id="name"),
        pytest.param({"name": "rag-answer", "label": "Production"}, InvalidRequest, id="label"),
        pytest.param({"name": "rag-answer", "version": "production"}, NotAVersion, id="version"),
        pytest.param({"name": "nobody"}, PromptNotFound, id="nobody's"),
    ],
)
def test_what_cannot_be_found_is_told_by_its_code(
    asked: dict[str, str], error: type[Exception], client: MakeClient
) -> None:
    with pytest.raises(error):
        client().find(**asked)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        pytest.param("127.0.0.1:8080", "k", id="no scheme"),
        pytest.param("file:///etc/passwd", "k", id="no HTTP"),
        pytest.param("http://127.0.0.1:8080", "", id="no key"),
        pytest.param("http://127.0.0.1:8080", "k\r\nx: y", id="a header in the key"),
    ],
)
def test_a_client_that_could_never_ask_is_not_made(url: str, key: str) -> None:
    with pytest.raises(SettingsInvalid):
        Prompts(url, key)


def test_a_prompt_without_variables_is_rendered(registry: FakeRegistry, client: MakeClient) -> None:
    registry.publish(version("1.0.0", Content(template="Hello $5"), name="hello"))

    assert client().render("hello", {}, version="1.0.0").text == "Hello $5"

"""Who gets which text while labels move, and while what they come from is away."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.e2e.conftest import Stack, eventually, stack_in
from tests.e2e.deaf_proxy import deaf_proxy
from tests.e2e.prompt_app import Rendered, rendered
from tests.e2e.prompting import (
    ASKED,
    FREE,
    NAME,
    WHY,
    free_config,
    greeting,
    promote,
    publish,
    served,
)
from tests.e2e.raw_http import Answer, chat, next_answer, request
from tests.e2e.test_several_hosts import Host, make_host
from tests.postgres import Server, running_server
from tests.services import running_redis

from trimtab.sdk import Prompts

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

WORKERS = 2
PROMISED_S = 1.0
POLLED_S = 5.0
MAX_STALE_S = 1.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack]:
    """Two workers, and two versions."""
    home = tmp_path_factory.mktemp("moving")
    with running_redis(home) as redis:
        config = free_config(home, redis.url)
        with stack_in(home, "--config", str(config), "--workers", str(WORKERS)) as running:
            publish(running, greeting("1.0.0"), greeting("1.1.0"))
            yield running


@pytest.fixture(scope="module")
def key(site: Stack) -> str:
    promote(site, "1.1.0")
    promote(site, "1.0.0")
    return site.key()


@pytest.fixture
def first(site: Stack, key: str) -> Generator[None]:
    """Before and after a test, 1.0.0 is in production."""
    assert key
    yield
    if site.run("prompts", "promote", NAME, "1.0.0", *WHY, check=False).returncode == 0:
        _everybody_runs(site)


class Application:
    """A process of an application that uses the SDK."""

    def __init__(self, **settings: object) -> None:
        # Our own interpreter and our own module.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.prompt_app", json.dumps(settings)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def render(self) -> Rendered:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("render\n")
        self.process.stdin.flush()
        return Rendered(**json.loads(self.process.stdout.readline()))

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def application(**settings: object) -> Generator[Application]:
    """Run an application for a while."""
    app = Application(**{"poll_s": 0.2, "timeout_s": 0.5, **settings})
    try:
        yield app
    finally:
        app.stop()


@pytest.mark.usefixtures("first")
async def test_p1_a_move_is_served_by_the_next_request_of_every_worker(
    site: Stack, key: str
) -> None:
    moves = (
        ("promote", NAME, "1.1.0", *WHY),
        ("rollback", NAME, *WHY),
        ("promote", NAME, "1.1.0", *WHY),
    )
    for move, version in zip(moves, ("1.1.0", "1.0.0", "1.1.0"), strict=True):
        moved = await asyncio.to_thread(site.json, "prompts", *move)
        await asyncio.to_thread(site.everybody_runs, moved["change"]["seq"])

        answers = await asyncio.gather(*(_ask(site, key) for _ in range(24)))

        records = [await asyncio.to_thread(site.record, answer.request_id) for answer in answers]
        assert {it["prompt_version"] for it in records} == {version}
        assert {it["prompt_label"] for it in records} == {"production"}
        assert len({it["worker_id"] for it in records}) == WORKERS


@pytest.mark.usefixtures("first")
async def test_p1_requests_in_flight_keep_the_version_they_began_with(
    site: Stack, key: str
) -> None:
    begun = site.sim("calls")["count"]
    asked = [
        asyncio.create_task(_ask(site, key, "chat!slow_first:2.5", stream=True)) for _ in range(8)
    ]
    await asyncio.to_thread(
        eventually, lambda: site.sim("calls")["count"] >= begun + len(asked), "all are asked"
    )

    await asyncio.to_thread(promote, site, "1.1.0")
    await asyncio.to_thread(_everybody_runs, site)
    running = [task.done() for task in asked]
    later = await _ask(site, key)

    answers = await asyncio.gather(*asked)
    records = [await asyncio.to_thread(site.record, it.request_id) for it in answers]
    assert running == [False] * len(asked)
    assert {it["prompt_version"] for it in records} == {"1.0.0"}
    assert {it["status"] for it in records} == {"ok"}
    assert (await asyncio.to_thread(site.record, later.request_id))["prompt_version"] == "1.1.0"
    said = [await asyncio.to_thread(site.content, it.request_id) for it in answers]
    assert all("This is the text of 1.0.0." in it["input"] for it in said)


@pytest.mark.usefixtures("first")
def test_p2_a_client_whose_stream_of_news_is_held_back_learns_by_asking(
    site: Stack, key: str
) -> None:
    with deaf_proxy(site.port) as proxy, Prompts(proxy.url, key, poll_s=0.2) as client:
        before = client.render(NAME, ASKED).version
        eventually(lambda: proxy.held, "the stream was asked for, and is held back")
        promote(site, "1.1.0")

        eventually(
            lambda: client.render(NAME, ASKED).version == "1.1.0", "it learns of it", POLLED_S
        )

    assert before == "1.0.0"


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize("poll_s", [0.2, 3600.0], ids=["asking", "told"])
def test_p3_the_first_render_of_an_idle_application_is_of_the_new_version(
    site: Stack, key: str, poll_s: float
) -> None:
    with application(url=site.url, key=key, poll_s=poll_s) as app:
        before = app.render()
        time.sleep(PROMISED_S)
        promote(site, "1.1.0")
        _everybody_runs(site)
        time.sleep(PROMISED_S)

        after = app.render()

    assert (before.version, before.source) == ("1.0.0", "live")
    assert (after.version, after.source, after.stale) == ("1.1.0", "memory", False)


@pytest.mark.usefixtures("first")
def test_p3_an_application_that_stood_still_gives_no_old_text_unsaid(site: Stack, key: str) -> None:
    with ExitStack() as stack:
        apps = [
            stack.enter_context(application(url=site.url, key=key, max_stale_s=MAX_STALE_S))
            for _ in range(4)
        ]
        before = {app.render().version for app in apps}
        for app in apps:
            app.process.send_signal(signal.SIGSTOP)
        promote(site, "1.1.0")
        time.sleep(2 * MAX_STALE_S)
        for app in apps:
            app.process.send_signal(signal.SIGCONT)

        first = [app.render() for app in apps]
        for app in apps:
            eventually(lambda app=app: app.render().version == "1.1.0", "it catches up", POLLED_S)

    assert before == {"1.0.0"}
    assert all(it.version == "1.1.0" or it.stale for it in first), first


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_p4_without_its_control_store_the_site_renders_on_and_nothing_is_moved(
    tmp_path: Path, engine: str
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(running_server()) if engine == "postgres" else None
        host = stack.enter_context(_host(tmp_path, server))
        key = host.key()
        client = stack.enter_context(Prompts(host.url, key, poll_s=0.2))
        before = served(host, key), client.render(NAME, ASKED).text

        _take_away(host, server)
        eventually(lambda: "control_store" in host.readiness(), "the worker says so")
        refused = [
            host.run("prompts", *move, *WHY, check=False)
            for move in (("promote", NAME, "1.1.0"), ("rollback", NAME))
        ]
        alone = served(host, key), client.render(NAME, ASKED).text
        host.kill()
        host.start()
        restarted = served(host, key)

        _bring_back(host, server)
        eventually(lambda: "control_store" not in host.readiness(), "the store is back")
        promote(host, "1.1.0")
        eventually(lambda: served(host, key).version == "1.1.0", "moves are followed again")

    assert alone == before
    assert restarted == before[0]
    for done in refused:
        assert done.returncode == 4
        assert done.stderr.startswith("trimtab: the control store ")
        assert len(done.stderr.splitlines()) == 1


def test_p4_without_a_gateway_applications_have_what_they_had(tmp_path: Path) -> None:
    cache, lock = tmp_path / "cache", tmp_path / "prompts.lock"
    with ExitStack() as stack:
        host = stack.enter_context(_host(tmp_path, None))
        key = host.key()
        host.run("prompts", "lock", "--out", str(lock))
        settings = {"url": host.url, "key": key, "max_stale_s": MAX_STALE_S}
        rungs = {"cache_dir": str(cache), "lock": str(lock)}
        app = stack.enter_context(application(**settings, **rungs))
        live = app.render()

        host.kill()
        warm = app.render()
        time.sleep(2 * MAX_STALE_S)
        old = app.render()
        fresh = [
            stack.enter_context(application(**settings, **chosen)).render()
            for chosen in (rungs, {"lock": str(lock)}, {})
        ]

        host.start()
        eventually(lambda: not app.render().stale, "it is as good as new again")

    assert (live.source, live.stale, warm.source) == ("live", False, "memory")
    assert (old.source, old.stale) == ("memory", True)
    assert [it.source for it in fresh] == ["disk", "bundled", ""]
    assert [it.text for it in fresh[:2]] == [live.text] * 2
    assert all(it.stale for it in fresh[:2])
    assert fresh[2].error == "prompt_unavailable"


def test_p4_an_application_starts_cold_with_its_lock_alone(
    site: Stack, key: str, tmp_path: Path
) -> None:
    lock = tmp_path / "prompts.lock"
    site.run("prompts", "lock", "--out", str(lock))
    with Prompts(site.url, key) as client:
        text = rendered(client).text

    with application(url="http://127.0.0.1:1", key="nobody", lock=str(lock)) as app:
        found = [app.render() for _ in range(3)]

    assert {(it.source, it.text, it.stale, it.age_s) for it in found} == {
        ("bundled", text, True, None)
    }


async def _ask(site: Stack, key: str, model: str = "chat", *, stream: bool = False) -> Answer:
    prompt = {"prompt": {"id": NAME, "variables": ASKED}}
    body = chat(model=model, stream=stream, trimtab=prompt)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    try:
        writer.write(request(key, body))
        answer = await next_answer(reader)
    finally:
        writer.close()
    assert answer.status == 200, answer
    return answer


def _everybody_runs(site: Stack) -> None:
    site.everybody_runs(site.json("changes", "list", "--limit", "1")["changes"][0]["seq"])


@contextmanager
def _host(at: Path, server: Server | None) -> Generator[Host]:
    """Run a gateway by itself, with 1.0.0 in production."""
    host = make_host(at / "host", None if server is None else server.database())
    with (host.home / "trimtab.yaml").open("a") as file:
        file.write(FREE)
    try:
        host.start()
        publish(host, greeting("1.0.0"), greeting("1.1.0"))
        promote(host, "1.0.0")
        yield host
    finally:
        host.stop()


def _take_away(host: Host, server: Server | None) -> None:
    if server is not None:
        server.kill()
        return
    away = host.home / "away"
    away.mkdir()
    for path in host.home.glob("control.db*"):
        path.rename(away / path.name)


def _bring_back(host: Host, server: Server | None) -> None:
    if server is not None:
        server.start()
        return
    assert not list(host.home.glob("control.db*"))
    for path in (host.home / "away").iterdir():
        path.rename(host.home / path.name)

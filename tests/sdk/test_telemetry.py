"""Apps, each a process of its own: it is instrumented once, and ends as apps end."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest
from tests.sdk.conftest import eventually
from tests.sdk.receiver import KEY, Receiver, plain
from tests.sdk.test_outbox import nobody

import trimtab

SRC = str(Path(trimtab.__file__).parents[1])
INIT = "import trimtab.sdk as tt\ntt.init(service='rag-api')\n"


@pytest.fixture
def receiver() -> Generator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def run(code: str, url: str = "", more: Mapping[str, str] | None = None) -> str:
    """Run an app to its end; gives what it printed."""
    environ = {"TRIMTAB_URL": url, "TRIMTAB_KEY": KEY, "PYTHONPATH": SRC, **(more or {})}
    done = subprocess.run(  # noqa: S603 -- ours
        [sys.executable, "-W", "error::ResourceWarning", "-c", textwrap.dedent(code)],
        env={**environ, "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_there_is_sent_when_the_app_ends(receiver: Receiver) -> None:
    run(INIT + "with tt.tool('a'): pass\ntt.feedback('r_x', thumbs=1)", receiver.url)

    assert receiver.names == ["execute_tool a"]
    assert [it["name"] for it in receiver.feedback] == ["thumbs"]


def test_a_second_time_does_nothing(receiver: Receiver) -> None:
    run(INIT + "tt.init(service='other', url='http://127.0.0.1:9')\nwith tt.tool('a'): pass",
        receiver.url)  # fmt: skip

    assert receiver.names == ["execute_tool a"]
    (resource,) = receiver.resources
    assert plain(resource.resource.attributes)["service.name"] == "rag-api"


def test_a_tracer_provider_that_is_there_is_added_to_and_stays(receiver: Receiver) -> None:
    told = run(
        """
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        own = InMemorySpanExporter()
        provider = TracerProvider(resource=Resource({"service.name": "mine"}))
        provider.add_span_processor(SimpleSpanProcessor(own))
        trace.set_tracer_provider(provider)
        import trimtab.sdk as tt
        tt.init(service="rag-api")
        assert trace.get_tracer_provider() is provider
        with provider.get_tracer("app").start_as_current_span("app"), tt.tool("a"):
            pass
        print([it.name for it in own.get_finished_spans()])
        """,
        receiver.url,
    )

    assert told == "['execute_tool a', 'app']\n"
    assert receiver.names == ["app", "execute_tool a"]
    assert {plain(it.resource.attributes)["service.name"] for it in receiver.resources} == {"mine"}


def test_a_forked_process_sends_its_own_spans_and_the_parent_its_own(receiver: Receiver) -> None:
    run(
        INIT
        + """
import os
with tt.tool("before"):
    pass
child = os.fork()
if child == 0:
    for n in range(10):
        with tt.tool(f"child-{n}"):
            pass
    os._exit(0 if tt.flush(5.0) else 1)
with tt.tool("parent"):
    pass
assert os.waitpid(child, 0)[1] == 0
""",
        receiver.url,
    )

    own = [f"execute_tool child-{n}" for n in range(10)]
    assert receiver.names == sorted(["execute_tool before", "execute_tool parent", *own])
    assert len({it.span_id for it in receiver.spans}) == 12


def test_processes_of_multiprocessing_send_all_before_they_end(receiver: Receiver) -> None:
    run(
        INIT
        + """
import multiprocessing
def work(n):
    with tt.tool(f"child-{n}"):
        pass
fork = multiprocessing.get_context("fork")
workers = [fork.Process(target=work, args=(n,)) for n in range(3)]
for it in workers:
    it.start()
for it in workers:
    it.join()
    assert it.exitcode == 0
""",
        receiver.url,
    )

    assert receiver.names == [f"execute_tool child-{n}" for n in range(3)]


def test_an_app_does_not_notice_that_the_gateway_is_away() -> None:
    began_s = time.monotonic()  # noqa: TID251 -- it is what is measured
    told = run(
        INIT
        + """
import time
worst = 0.0
for n in range(1_600):
    began = time.monotonic()
    with tt.context(user="u"), tt.retrieval("docs") as found:
        found.documents([("doc-1", 0.5, None, "text")])
    worst = max(worst, time.monotonic() - began)
    tt.feedback("r_x", thumbs=1)
from trimtab.sdk.telemetry import current
print(worst, current().tracing._outbox.dropped > 0)
""",
        nobody(),
    )
    took_s = time.monotonic() - began_s  # noqa: TID251 -- as above

    worst_s, dropped = told.split()
    assert float(worst_s) < 0.15
    assert dropped == "True"
    assert took_s < 10.0


def test_spans_that_were_dropped_are_told_of(receiver: Receiver) -> None:
    receiver.statuses = [400]
    run(
        INIT + "with tt.tool('a'): pass\ntt.flush(5.0)\nwith tt.tool('b'): pass",
        receiver.url,
    )

    (resource,) = receiver.resources
    assert plain(resource.resource.attributes)["trimtab.sdk.dropped_spans"] == 1
    assert receiver.names == ["execute_tool b"]


def test_words_are_in_spans_where_the_environment_says_so(receiver: Receiver) -> None:
    asked = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
    code = INIT + (
        "with tt.retrieval('docs', query='how long?') as found:\n"
        "    found.documents([('doc-1', 0.5, None, '14 days')])\n"
    )
    run(code, receiver.url, {asked: "SPAN_ONLY"})

    attributes = plain(receiver.spans[0].attributes)
    assert attributes["gen_ai.retrieval.query.text"] == "how long?"
    assert '"content":"14 days"' in attributes["gen_ai.retrieval.documents"]


def test_nothing_is_imported_or_opened_before_it_is_asked_for() -> None:
    told = run(
        """
        import socket, sys, threading
        def refuse(*args): raise AssertionError(args)
        socket.socket.connect = refuse
        import trimtab.sdk as tt
        with tt.context(user="u"), tt.retrieval("docs") as found, tt.tool("a"):
            found.documents([("doc-1", 0.5, None, None)])
        assert tt.flush()
        assert threading.active_count() == 1
        heavy = ("opentelemetry.sdk", "opentelemetry", "openai", "anthropic", "httpx", "httpx2")
        print([it for it in heavy if it in sys.modules])
        """
    )

    assert told == "[]\n"


@pytest.mark.parametrize(
    ("before", "given", "words"),
    [
        ("", "", "TRIMTAB_URL is not set"),
        ("", ", url='http://127.0.0.1:9', key=' \\n'", "key for the registry is empty or broken"),
        ("", ", url='127.0.0.1:9'", "is no address"),
        (
            "import sys; sys.modules['opentelemetry.sdk.trace'] = None",
            ", url='http://127.0.0.1:9'",
            "pip install 'trimtab[sdk]'",
        ),
    ],
)
def test_what_cannot_be_is_told_and_leaves_nothing(before: str, given: str, words: str) -> None:
    told = run(
        f"""
        {before}
        import trimtab.sdk as tt
        from trimtab.domain.errors import SettingsInvalid
        for make in (lambda: tt.init(service="a"{given}), lambda: tt.clicked("r_x", "d")):
            try:
                make()
            except SettingsInvalid as exc:
                print(exc)
        """
    )

    first, *others = told.splitlines()
    assert words in first
    assert others == ["nothing is instrumented; call `trimtab.sdk.init(service=...)` first"]


def test_a_span_is_sent_while_the_app_runs(receiver: Receiver) -> None:
    code = INIT + "with tt.tool('a'): pass\nimport time; time.sleep(20)"
    with subprocess.Popen(  # noqa: S603 -- ours
        [sys.executable, "-c", code],
        env={"TRIMTAB_URL": receiver.url, "TRIMTAB_KEY": KEY, "PYTHONPATH": SRC},
    ) as app:
        try:
            eventually(lambda: receiver.names)
        finally:
            app.kill()

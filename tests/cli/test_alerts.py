import asyncio
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from msgspec.structs import replace
from tests.cli.conftest import Terminal
from tests.jobs.conftest import alert

from trimtab.domain.alert import Notice, NoticeKind, Rule
from trimtab.store.sqlite.alerts import SqliteAlerts

FIRST, SECOND = alert(Rule.LOOP, opened_us=1), alert(Rule.SPEND_SPIKE, opened_us=2)
WAITS = Notice(
    alert_id=FIRST.id,
    n=1,
    route="ops",
    kind=NoticeKind.FIRING,
    due_us=1,
    tries=3,
    error="answer 503",
)


@pytest.fixture
def kept(company: Terminal) -> Terminal:
    """Two alerts, one over, and a route that takes nothing."""
    store = SqliteAlerts(company.home / ".trimtab" / "alerts.db")
    asyncio.run(store.save([FIRST, replace(SECOND, resolved_us=60_000_000)], [WAITS]))
    store.close()
    return company


@pytest.fixture
def receiver() -> Generator[str]:
    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200 if self.path == "/good" else 403)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_lists_the_newest_first_with_what_is_the_matter(kept: Terminal) -> None:
    lines = kept.run("alerts", "list").stdout.splitlines()

    assert lines[0].split() == ["alert", "rule", "tenant", "since", "state", "what"]
    assert lines[1].startswith(f"{SECOND.id}  spend_spike  acme")
    assert "over since 1970-01-01 00:01:00Z" in lines[1]
    assert lines[2].startswith(f"{FIRST.id}  loop")
    assert lines[3] == "route 'ops' takes nothing: 1 wait; answer 503"


def test_lists_those_that_hold_for_programs(kept: Terminal) -> None:
    told = kept.json("alerts", "list", "--open")

    assert [it["id"] for it in told["alerts"]] == [FIRST.id]
    assert told["alerts"][0]["actual_usd"] == "12.5"
    assert told["waiting"] == [
        {"alert": FIRST.id, "route": "ops", "tries": 3, "error": "answer 503"}
    ]


def test_where_no_keeper_ran_there_is_nothing(terminal: Terminal) -> None:
    assert terminal.run("alerts", "list").stdout == "there was no alert yet\n"
    assert terminal.run("alerts", "list", "--open").stdout == "no alert is open\n"
    assert not (terminal.home / ".trimtab").exists()


def test_silences_by_the_beginning_of_an_id(kept: Terminal) -> None:
    done = kept.run("alerts", "silence", FIRST.id[:9], "--for", "2h", "--reason", "known")

    assert done.stdout == f"{FIRST.id} is silent until 2026-01-01 02:00:00Z\n"
    assert "silent until 2026-01-01 02:00:00Z" in kept.run("alerts", "list", "--open").stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("al_0", "--for", "2h"), "there is no alert 'al_0', or several begin so; see"),
        (("al_", "--for", "2h"), "there is no alert 'al_', or several begin so; see"),
        ((FIRST.id, "--for", "8d"), "an alert is silenced for up to 7d; choose a shorter time"),
        ((FIRST.id, "--for", "soon"), "'soon' is no span of time"),
    ],
)
def test_does_not_silence_what_is_not_there_or_for_ever(
    kept: Terminal, words: tuple[str, ...], says: str
) -> None:
    result = kept.run("alerts", "silence", *words, "--reason", "known", code=2)

    assert says in result.stderr


@pytest.mark.parametrize(("place", "code"), [("good", 0), ("bad", 1)])
def test_a_test_shows_what_a_route_answered(
    company: Terminal, receiver: str, monkeypatch: pytest.MonkeyPatch, place: str, code: int
) -> None:
    monkeypatch.setenv("PD", "key")
    route = f"{{name: ops, kind: pagerduty, key: env:PD, url: {receiver}/{place}"
    (company.home / "trimtab.yaml").write_text(
        f"version: 1\nalerts:\n  routes:\n    - {route}, allow_private_network: true}}\n"
    )

    told = company.run("alerts", "test", "ops", code=code).stdout

    assert told == (
        "ops  taken   answer 200\n" if place == "good" else "ops  not taken   answer 403\n"
    )


def test_a_test_of_a_route_that_is_not_in_the_file_names_those_that_are(company: Terminal) -> None:
    result = company.run("alerts", "test", "nobody", code=2)

    assert "has no route 'nobody' under 'alerts.routes'; it has none" in result.stderr


def test_a_replay_where_nothing_is_recorded_says_so(company: Terminal) -> None:
    result = company.run("alerts", "replay", "--days", "7", code=4)

    assert "nothing is recorded in" in result.stderr

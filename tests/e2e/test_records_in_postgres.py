"""Records in one Postgres: each stored once, whatever is killed or away; every host sees them."""

import json
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.e2e.browser import Browser, printed_password
from tests.e2e.conftest import CONFIG, Stack, eventually, free_port, processes_of
from tests.postgres import Server, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ASKED = "[[sim: tokens=8]] what does the bridge weigh?"
COSTS = "SELECT sum(cost_nano) AS cost_nano, sum(n) AS n FROM rollup_day WHERE model = 'chat'"


class Host(Stack):
    """A Trimtab whose records are in a Postgres."""

    def __init__(self, home: Path, url: str) -> None:
        super().__init__(home, free_port(), free_port())
        self._url = url
        self.options = ["--config", str(home / "trimtab.yaml")]

    @property
    def environ(self) -> dict[str, str]:
        return {
            **super().environ,
            "TRIMTAB_CONFIG": str(self.home / "trimtab.yaml"),
            "E2E_RECORDS": self._url,
        }

    def rows(self, sql: str, *values: str | int) -> list[dict[str, Any]]:
        with psycopg.connect(self._url) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(sql.replace("?", "%s").encode(), values).fetchall()

    def ask(self, key: str) -> str:
        """Call a model; give the id of the request."""
        body = {"model": "chat", "messages": [{"role": "user", "content": ASKED}]}
        status, headers, answer = self.post("/v1/chat/completions", json.dumps(body).encode(), key)
        assert status == 200, answer
        return headers["x-trimtab-request-id"]


@contextmanager
def host(home: Path, url: str, like: Host | None = None) -> Generator[Host]:
    home.mkdir()
    members = f"gateway:\n  records: env:E2E_RECORDS\n  store: {url}\n"
    (home / "trimtab.yaml").write_text(CONFIG.read_text().replace("gateway:\n", members, 1))
    if like is not None:
        (home / "site.key").write_bytes((like.home / "site.key").read_bytes())
    made = Host(home, url)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def mortal() -> Generator[Server]:
    with running_server() as server:
        yield server


def keepers(of: Host) -> list[int]:
    return [pid for pid, line in processes_of(of.home).items() if " keeper " in f"{line} "]


def test_a_call_is_stored_once_though_its_keeper_is_killed_and_postgres_goes_away(
    tmp_path: Path, mortal: Server
) -> None:
    with host(tmp_path / "one", mortal.database()) as one:
        key = one.key()
        first = one.ask(key)
        record = one.record(first)
        assert one.json("trace", first)["request_id"] == first
        assert one.content(first)["input"] is not None
        assert not (one.home / "records.db").exists()

        asked = [first]
        for _ in range(3):
            asked += [one.ask(key) for _ in range(5)]
            for pid in keepers(one):
                os.kill(pid, signal.SIGKILL)
            asked += [one.ask(key) for _ in range(5)]
        mortal.kill()
        asked += [one.ask(key) for _ in range(20)]
        eventually(lambda: "records wait in the spool" in one.log(), "the keeper waits")
        refused = one.run("costs", check=False)
        assert refused.returncode == 4
        assert "record store '127.0.0.1/" in refused.stderr
        mortal.start()

        for request_id in asked:
            assert len(one.ledger(request_id)) == 1
        stored = one.rows("SELECT request_id FROM request WHERE operation = 'chat'")
        assert sorted(it["request_id"] for it in stored) == sorted(asked)
        total = len(asked) * record["cost_nano"]
        assert one.rows(COSTS) == [{"n": len(asked), "cost_nano": total}]
        assert one.json("costs")["cost_nano"] == total
        browser = Browser(one.url)
        browser.log_in(printed_password(one.log()))
        assert asked[-1] in browser.page("/console/requests")
        assert "Traceback" not in one.log()


def test_what_one_host_served_is_seen_from_the_other_with_its_content(
    tmp_path: Path, postgres: Server
) -> None:
    url = postgres.database()
    with host(tmp_path / "one", url) as one, host(tmp_path / "other", url, one) as other:
        key = one.key()
        eventually(lambda: other.status("/v1/models", key) == 200, "the other knows the key")
        asked = [it.ask(key) for _ in range(5) for it in (one, other)]
        for request_id in asked:
            one.record(request_id)

        assert other.json("trace", asked[0])["request_id"] == asked[0]
        [message] = json.loads(other.admin(f"records/{asked[0]}/content")["input"])["messages"]
        assert message["content"] == ASKED
        assert one.json("costs")["rows"] == other.json("costs")["rows"]
        assert one.json("costs")["requests"] == len(asked)
        places = one.rows("SELECT worker_id FROM spool_position ORDER BY worker_id")
        assert sum(place["worker_id"].endswith("/gateway-1") for place in places) == 2


def test_a_host_with_a_site_key_of_its_own_may_not_record(tmp_path: Path, postgres: Server) -> None:
    url = postgres.database()
    text = CONFIG.read_text().replace("gateway:\n", "gateway:\n  records: env:E2E_RECORDS\n", 1)
    for name in ("one", "stranger"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trimtab.yaml").write_text(text)
    Host(tmp_path / "one", url).run("apply")

    refused = Host(tmp_path / "stranger", url).run("apply", check=False)

    assert refused.returncode == 2
    assert "is not the key of the hosts in this record store" in refused.stderr

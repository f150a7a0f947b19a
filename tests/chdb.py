"""A real ClickHouse for the tests: the embedded engine, in this process; a fresh database a test.

Of a directory there is one process, so each test process has its own. All use of it is in
`clickhouse_connect`, as is that of a server.
"""

import re
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from tests.services import lacking, remove

from trimtab.store.clickhouse.address import Way

_INSERT = re.compile(r"INSERT INTO (\w+) \((.*)\) FORMAT Native")
# Those of a server. By itself the engine has two threads, which wait for one another for seconds.
_POOLS: Mapping[str, str] = {"background_pool_size": "16", "background_schedule_pool_size": "128"}


class Engine:
    """One ClickHouse."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._numbers = count(1)
        # While it is open the engine stays.
        self.client = self.open("default")

    def open(self, database: str) -> Client:
        return get_client(
            interface="chdb", path=str(self.directory), database=database, chdb_options=_POOLS
        )

    @contextmanager
    def serving(self) -> Generator[tuple[str, list[Mapping[str, str]]]]:
        """Answer as a server does; gives its URL, and what it is asked beside the statements."""
        name = next(self._numbers)
        self.client.command(f"CREATE DATABASE t{name}")
        asked: list[Mapping[str, str]] = []
        members = {"client": self.open("default"), "asked": asked}
        handler = type("Handler", (_Serving,), members)
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"clickhouse://user:p%40ss@127.0.0.1:{server.server_port}/t{name}", asked
            finally:
                server.shutdown()
                thread.join()

    def database(self) -> Way:
        """Make an empty database, and give the way to it."""
        name = f"t{next(self._numbers)}"
        self.client.command(f"CREATE DATABASE {name}")
        return Way(lambda: self.open(name), f"'chdb/{name}'")


@contextmanager
def running_engine() -> Generator[Engine]:
    """Run a ClickHouse of one's own, and leave nothing of it."""
    if find_spec("chdb") is None:
        lacking("the package chdb")
    directory = Path(tempfile.mkdtemp(prefix="trimtab-chdb-"))
    try:
        engine = Engine(directory)
        try:
            yield engine
        finally:
            engine.client.close()
    finally:
        remove(directory)


class _Serving(BaseHTTPRequestHandler):
    """ClickHouse's HTTP interface, as far as it is used, before the embedded engine."""

    client: ClassVar[Any]
    asked: ClassVar[list[Mapping[str, str]]]

    def do_GET(self) -> None:
        self._answer(b"Ok.\n")

    def do_POST(self) -> None:
        asked = dict(parse_qsl(urlsplit(self.path).query))
        body = self.rfile.read(int(self.headers["content-length"]))
        self.client.database = asked.get("database", "default")
        self.asked.append(asked)
        statement, _, block = body.partition(b"\n")
        insert = _INSERT.fullmatch(statement.decode(errors="replace"))
        try:
            if insert is None:
                self._answer(self._run(body.decode(), asked))
            else:
                columns = [name.strip("` ") for name in insert[2].split(",")]
                self.client.raw_insert(insert[1], columns, block, settings={}, fmt="Native")
                self._answer(b"")
        except ClickHouseError as exc:
            self._answer(str(exc).encode(), status=500)

    def _run(self, sql: str, asked: Mapping[str, str]) -> bytes:
        values = {
            name.removeprefix("param_"): value
            for name, value in asked.items()
            if name.startswith("param_")
        }
        # Values are as they are on the wire already, so nothing may be made of them.
        run = self.client._backend._run  # noqa: SLF001
        answer: bytes = run(sql, "TabSeparated", values, self.client.database).bytes()
        return answer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
        """Say nothing."""

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

"""A real ClickHouse for the tests: the embedded engine, in this process; a fresh database a test.

Of a directory there is one process, so each test process has its own. All use of it is in
`clickhouse_connect`, as is that of a server.
"""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client
from tests.services import lacking

from trimtab.store.clickhouse.address import Way


class Engine:
    """One ClickHouse."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = count(1)
        # While it is open the engine stays.
        self.client = self.open("default")

    def open(self, database: str) -> Client:
        return get_client(interface="chdb", path=str(self._directory), database=database)

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
        shutil.rmtree(directory)

"""Opening SQLite files, and bringing their schema up to date.

Each migration runs in a transaction of its own under SQLite's write lock, so two processes that
start at once agree.
"""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from trimtab.domain.errors import TryLater
from trimtab.store.schema import migrations

PAGE_SIZE = 8192
BUSY_TIMEOUT_MS = 5000
HEAD_BYTES = 100
MAGIC = b"SQLite format 3\0"


def open_writer(path: Path, database: str) -> sqlite3.Connection:
    """Open a file for its one writer, durable on every commit, its schema migrated.

    The connection is in autocommit mode: transactions are explicit `BEGIN IMMEDIATE`.

    Raises:
        SchemaTooNew: the file's schema is newer than this program.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.executescript(
        f"PRAGMA page_size={PAGE_SIZE}; PRAGMA busy_timeout={BUSY_TIMEOUT_MS};"
        "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "PRAGMA wal_autocheckpoint=4000; PRAGMA foreign_keys=OFF; PRAGMA secure_delete=ON;"
    )
    migrate(connection, database)
    return connection


def shred(connection: sqlite3.Connection) -> bool:
    """Empty the log; in the file itself, what was deleted is overwritten already.

    Whether it could be done: somebody may be reading what was before.
    """
    (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a file that another connection writes; refuses to write.

    Raises:
        FileNotFoundError: nobody has made the file yet.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.executescript(
        f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}; PRAGMA query_only=ON;PRAGMA mmap_size=268435456;"
    )
    return connection


def version_of(path: Path) -> int:
    """Tell the schema of a file; nothing is written, neither in it nor beside it.

    Raises:
        TryLater: it cannot be read.
    """
    try:
        if Path(f"{path}-wal").exists():
            # The newest may be in there only.
            uri = f"{path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as connection:
                (seen,) = connection.execute("PRAGMA user_version").fetchone()
                return int(seen)
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except (OSError, sqlite3.Error) as exc:
        raise TryLater(f"'{path}' cannot be read ({exc}); see whose file it is") from exc
    if head and not head.startswith(MAGIC):
        raise TryLater(f"'{path}' is no database; restore it from a copy")
    # https://www.sqlite.org/fileformat.html#the_database_header
    return int.from_bytes(head[60:64])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[sqlite3.Connection]:
    """Run a block in one transaction that has the write lock from the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def migrate(connection: sqlite3.Connection, database: str) -> None:
    """Run the migrations that the file has not seen.

    Raises:
        SchemaTooNew: the file has seen migrations that this program does not have.
    """
    (seen,) = connection.execute("PRAGMA user_version").fetchone()
    for number, script in migrations(database, seen):
        _run(connection, number, script)


def _run(connection: sqlite3.Connection, number: int, script: str) -> None:
    with transaction(connection):
        (seen,) = connection.execute("PRAGMA user_version").fetchone()
        if seen < number:
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number}")


def _statements(script: str) -> list[str]:
    """Split a script where SQLite itself says that a statement is complete."""
    out: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            out.append(pending)
            pending = ""
    return out

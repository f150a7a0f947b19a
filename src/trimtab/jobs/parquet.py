"""Records as a table in Parquet. It needs duckdb, the lightest that writes them."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from trimtab.jobs.taking import Add

_ROWS_A_GROUP = 100_000
# What it has is what the table takes; it fetches nothing, and what is too much goes to the disk.
_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "512MB",
    "threads": 2,
}


@contextmanager
def parquet(path: Path, columns: Mapping[str, str]) -> Generator[Add]:
    """Open a file in Parquet for rows to be added; until it is finished they are beside it."""
    beside = path.with_name(f"{path.name}.rows")
    beside.unlink(missing_ok=True)
    # Names and kinds are ours, values are given beside, and the path is quoted.
    made = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    taken = ", ".join(f"unnest(?::{kind}[])" for kind in columns.values())
    target = str(path).replace("'", "''")
    how = f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS_A_GROUP})"
    try:
        with duckdb.connect(beside, config=_CLOSED) as connection:
            connection.execute(f"CREATE TABLE made ({made})")
            yield lambda rows: connection.execute(
                f"INSERT INTO made SELECT {taken}", [list(it) for it in zip(*rows, strict=True)]
            )
            connection.execute(f"COPY made TO '{target}' {how}")
    finally:
        beside.unlink(missing_ok=True)

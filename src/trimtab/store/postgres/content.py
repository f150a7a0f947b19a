"""Content in Postgres, by its day."""

from datetime import UTC, datetime

from trimtab.domain.record import Blob
from trimtab.store.content import Unseal, assemble, no_key
from trimtab.store.postgres.dialect import SQL
from trimtab.store.relational.dialect import Connection


def day_of(ts_us: int) -> str:
    """Give the UTC day of an instant, as ISO date."""
    return datetime.fromtimestamp(ts_us // 1_000_000, UTC).date().isoformat()


def get(
    connection: Connection, tenant_id: str, ts_us: int, ref: bytes, unseal: Unseal = no_key
) -> bytes | None:
    """Rebuild a content; `None` if a piece, or the whole day, is gone.

    Raises:
        ValueError: a piece cannot be read.
    """
    day = day_of(ts_us)

    def blob(ref: bytes) -> Blob | None:
        row = connection.execute(SQL["content"], (day, tenant_id, ref)).fetchone()
        return None if row is None else Blob(ref, *row)

    return assemble(blob, ref, unseal)

"""Content in ClickHouse, by its day: what is wanted at once, then all pieces of it at once."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from trimtab.domain.record import Blob
from trimtab.store.clickhouse.dialect import SQL
from trimtab.store.content import Unseal, assemble, no_key, pieces_of
from trimtab.store.postgres.content import day_of
from trimtab.store.relational.dialect import Connection
from trimtab.store.relational.recording import Stored


def get(
    connection: Connection, tenant_id: str, ts_us: int, ref: bytes, unseal: Unseal = no_key
) -> bytes | None:
    """Rebuild a content; `None` if a piece, or the whole day, is gone.

    Raises:
        ValueError: a piece cannot be read.
    """
    return fetched(connection, [(tenant_id, ts_us, ref)], unseal)(tenant_id, ts_us, ref)


def fetched(
    connection: Connection, wanted: Iterable[tuple[str, int, bytes]], unseal: Unseal = no_key
) -> Stored:
    """Fetch contents by tenant, time and ref; gives what rebuilds them as `get` does."""
    days: defaultdict[str, set[tuple[str, bytes]]] = defaultdict(set)
    for tenant_id, ts_us, ref in wanted:
        days[day_of(ts_us)].add((tenant_id, ref))
    there: dict[tuple[str, str, bytes], Blob] = {}
    for day, places in days.items():
        whole = blobs(connection, day, places)
        pieces = {
            (tenant_id, it) for (tenant_id, _), blob in whole.items() for it in pieces_of(blob)
        }
        found = whole | blobs(connection, day, pieces)
        there |= {(day, *place): blob for place, blob in found.items()}

    def stored(tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        day = day_of(ts_us)
        return assemble(lambda it: there.get((day, tenant_id, it)), ref, unseal)

    return stored


def blobs(
    connection: Connection, day: str, places: Collection[tuple[str, bytes]]
) -> dict[tuple[str, bytes], Blob]:
    """Find pieces of content of a day, by tenant and ref."""
    if not places:
        return {}
    tenants = sorted({tenant_id for tenant_id, _ in places})
    values = (day, tenants, sorted({ref.hex() for _, ref in places}))
    rows = connection.execute(SQL["content"], values)
    return {(tenant_id, ref): Blob(ref, codec, data) for tenant_id, ref, codec, data in rows}

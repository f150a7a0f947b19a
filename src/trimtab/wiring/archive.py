"""Records in a Postgres and a ClickHouse; loaded by name, for it imports both drivers."""

from collections.abc import Callable

from trimtab.store.clickhouse.address import way_to
from trimtab.store.clickhouse.reading import ClickHouseReading
from trimtab.store.clickhouse.recording import ClickHouseRecording
from trimtab.store.clickhouse.session import Archive, version_of


def reading(
    store: str, host: str, tenant_key: Callable[[str], bytes], archive: str
) -> ClickHouseReading:
    """Build what reads; the arguments are URLs."""
    return ClickHouseReading(store, host, tenant_key, Archive(way_to(archive)))


def recording(store: str, host: str, archive: str, *, is_keeper: bool) -> ClickHouseRecording:
    """Build what writes."""
    return ClickHouseRecording(store, host, Archive(way_to(archive)), is_keeper=is_keeper)


def version(archive: str) -> tuple[str, int]:
    """Tell where an archive is, and its schema. Raises `TryLater`: it is away."""
    return version_of(way_to(archive))

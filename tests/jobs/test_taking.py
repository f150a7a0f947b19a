import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest
from tests.records import finish, tenant_key

from trimtab.domain.record import SCHEMA_VERSION, RequestRecord
from trimtab.jobs import taking
from trimtab.jobs.parquet import parquet
from trimtab.jobs.taking import columns, describe, lines, take
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.recording import Batch
from trimtab.store.memory.records import MemoryRecords


@pytest.fixture
async def records(monkeypatch: pytest.MonkeyPatch) -> MemoryRecords:
    monkeypatch.setattr(taking, "PAGE", 2)
    store = MemoryRecords(tenant_key)
    made = [finish(seed, cost_nano=seed or None, input_ref=b"\x0f" * 32) for seed in range(5)]
    await store.commit(Batch(finishes=tuple(made)))
    return store


def left(directory: Path) -> list[str]:
    return [it.name for it in directory.iterdir()]


async def test_a_file_of_lines_has_every_record_once_newest_first(
    records: MemoryRecords, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"

    rows, cost_nano = await take(records, RecordFilter(), lines(path, columns(content=False)), None)

    found = [json.loads(line) for line in path.read_text().splitlines()]
    whole = await records.page(RecordFilter())
    assert [it["request_id"] for it in found] == [it.request_id for it in whole]
    assert list(found[0]) == list(RequestRecord.__struct_fields__)
    assert found[0]["input_ref"] == "0f" * 32
    assert (rows, cost_nano) == (5, 10)


async def test_a_table_has_what_the_lines_have_with_kinds_and_what_was_said(
    records: MemoryRecords, tmp_path: Path
) -> None:
    path = tmp_path / "it's.parquet"

    async def texts(record: RequestRecord) -> Sequence[str | None]:
        return [record.request_id, None]

    made = columns(content=True)
    await take(records, RecordFilter(), parquet(path, made), texts)

    found = duckdb.read_parquet(str(path))
    assert dict(zip(found.columns, map(str, found.types), strict=True)) == made
    ids = [it.request_id for it in await records.page(RecordFilter())]
    assert [row[0] for row in found.project("asked").fetchall()] == ids
    assert {row[0] for row in found.project("answered").fetchall()} == {None}
    costs = sorted(row[0] or 0 for row in found.project("cost_nano").fetchall())
    assert costs == [0, 1, 2, 3, 4]
    assert left(tmp_path) == [path.name]


async def test_what_failed_leaves_no_table_and_nothing_beside(
    records: MemoryRecords, tmp_path: Path
) -> None:
    async def texts(_: RequestRecord) -> Sequence[str | None]:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 -- the one of texts
        await take(
            records,
            RecordFilter(),
            parquet(tmp_path / "a.parquet", columns(content=True)),
            texts,
        )

    assert left(tmp_path) == []


def test_a_manifest_tells_what_is_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{}\n")

    told = describe(path, "tenant:acme", 1, 7)

    assert told.sha256 == sha256(b"{}\n").hexdigest()
    assert (told.schema_version, told.filter) == (SCHEMA_VERSION, "tenant:acme")
    assert (told.rows, told.cost_nano) == (1, 7)

import asyncio
import json
from contextlib import closing
from hashlib import sha256

import msgspec
import pytest
from msgspec.structs import replace
from tests.cli.conftest import Terminal
from tests.records import finish

from trimtab import wiring
from trimtab.cli import records
from trimtab.pipeline.content import ContentCapture
from trimtab.store.base.recording import Batch, StoredBlob
from trimtab.store.sqlite.recording import SqliteRecording

SAID = msgspec.json.encode({"messages": [{"role": "user", "content": "hello"}]})


@pytest.fixture
def filled(terminal: Terminal) -> Terminal:
    at = terminal.home / ".trimtab"
    made = finish(1, tenant_id="acme", cost_nano=5)
    tenant, ts_us = made.record.tenant_id, made.record.ts_us
    ref, blobs = ContentCapture(wiring.tenant_keys(at)).capture(tenant, ts_us, SAID)
    made = replace(made, record=replace(made.record, input_ref=ref, output_ref=None))
    batch = Batch(
        finishes=(made, finish(2, tenant_id="globex", cost_nano=None)),
        blobs=tuple(StoredBlob(tenant, ts_us, it) for it in blobs),
    )
    with closing(SqliteRecording(at)) as store:
        asyncio.run(store.commit(batch))
    return terminal


def test_records_are_written_with_a_manifest(filled: Terminal) -> None:
    out = filled.home / "apr.jsonl"

    span = ("--from", "2026-04-01", "--to", "2026-05-01")
    told = filled.run("records", "export", "--tenant", "acme", *span, "--out", str(out))

    (line,) = out.read_text().splitlines()
    manifest = json.loads((filled.home / "apr.jsonl.json").read_text())
    assert json.loads(line)["tenant_id"] == "acme"
    assert manifest == {
        "schema_version": 1,
        "filter": "since:2026-04-01 until:2026-05-01 tenant:acme",
        "rows": 1,
        "cost_nano": 5,
        "sha256": sha256(out.read_bytes()).hexdigest(),
    }
    assert told.stdout.startswith("1 records, $0.000000005, in ")
    assert not list(filled.home.glob("*.part"))


def test_a_table_has_the_same(filled: Terminal) -> None:
    out = filled.home / "all.parquet"

    filled.run("records", "export", "tenant:acme,globex", "--out", str(out))

    assert out.read_bytes().startswith(b"PAR1")
    assert json.loads((filled.home / "all.parquet.json").read_text())["rows"] == 2


def test_content_is_taken_only_if_asked_for_and_each_look_is_noted(filled: Terminal) -> None:
    out = filled.home / "a.jsonl"

    filled.run("records", "export", "tenant:acme", "--out", str(out))
    assert b"hello" not in out.read_bytes()
    assert filled.json("audit", "list")["readings"] == []

    filled.run("records", "export", "tenant:acme", "--content", "--out", str(out))
    assert json.loads(out.read_bytes())["asked"] == SAID.decode()
    assert len(filled.json("audit", "list")["readings"]) == 1


def test_another_format_or_a_missing_duckdb_says_what_to_do(
    filled: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(filled.home / "a.csv")
    assert (
        "write .parquet or .jsonl" in filled.run("records", "export", "--out", out, code=2).stderr
    )

    def missing(_: str) -> object:
        raise ImportError

    monkeypatch.setattr(records, "resolve_name", missing)
    out = str(filled.home / "a.parquet")
    told = filled.run("records", "export", "--out", out, code=2).stderr
    assert "install trimtab[parquet]" in told
    assert not (filled.home / "a.parquet").exists()

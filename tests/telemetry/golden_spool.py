"""A spool as this version writes it, and what becomes of it in a store.

`python -m tests.telemetry.golden_spool` writes those of a version that has none. What is there is
never written anew: a version that cannot replay it has lost what a version before it acknowledged.
"""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from msgspec.structs import replace
from tests.records import begin, chance_finish, finish, tenant_key
from tests.telemetry.shapes import SHAPES, TS_US
from tests.telemetry.spooled import Spooled

from trimtab.domain.annotation import Annotated, Annotation, AnnotationKind, AnnotationSource
from trimtab.domain.app_span import AppSpan, SpanBatch
from trimtab.domain.record import SCHEMA_VERSION, Blob, Checkpoint
from trimtab.pipeline.content import ContentCapture
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.recorder import Recorder
from trimtab.telemetry.spool import Spool, claim
from trimtab.testing import FrozenClock

GOLDEN = Path(__file__).parents[1] / "golden" / "spool"
EXPECTED = "rows.json"
TABLES = (
    *("request", "attempt", "ledger", "annotation", "annotation_claim", "span"),
    *("rollup_hour", "rollup_day", "rollup_day_local", "open_request"),
)
ASKED = json.dumps({"messages": [{"role": "user", "content": "why? " * 200}]}).encode()
SAID = b'{"role": "assistant", "content": "because"}'
CHANCES = 4

Rows = dict[str, list[dict[str, Any]]]


def write(root: Path) -> None:
    """Write the spools of two workers."""
    one, two = Spooled(root, "gateway-1"), Spooled(root, "gateway-2")
    capture, chance = ContentCapture(tenant_key), Random(7)  # noqa: S311 -- repeatable
    asked, said = (capture.capture("acme-corp", TS_US, it) for it in (ASKED, SAID))
    spoken = finish(31, input_ref=asked.ref, output_ref=said.ref)
    one.raw(one.frame(Kind.START, b"\x80"))
    one.raw(one.frame(Kind.BEGIN, _packed(begin(31, content=asked.blobs))))
    one.raw(
        one.frame(
            Kind.CHECKPOINT,
            _packed(Checkpoint(request_id=spoken.record.request_id, output_tokens=12)),
        )
    )
    one.finish(replace(spoken, content=said.blobs))
    for number, shape in enumerate(SHAPES.values()):
        record = replace(shape.record, request_id=finish(40 + number).record.request_id)
        two.finish(replace(shape, record=record))
    one.rotate()
    one.finish(*(chance_finish(chance) for _ in range(CHANCES)))
    one.raw(one.frame(Kind.NOTE, _packed({"unauthenticated": 3})))
    for claimed, request_id in ((False, spoken.record.request_id), (True, "r_unheard_of")):
        one.raw(one.frame(Kind.ANNOTATION, _packed(_annotated(request_id, claimed=claimed))))
    two.raw(two.frame(Kind.SPANS, _packed(_spans(asked.blobs))))
    two.raw(two.frame(Kind.REHYDRATED, _packed(spoken)))


def replay(spool: Path) -> Rows:
    """Record a spool in an empty store; gives what is in its tables, without what is unknown."""
    with TemporaryDirectory() as directory:
        home = Path(directory)
        copytree(spool, home / "spool")
        asyncio.run(_record(home))
        with closing(sqlite3.connect(home / "records.db")) as connection:
            connection.row_factory = sqlite3.Row
            return {it: list(_rows(connection, it)) for it in TABLES}


async def _record(home: Path) -> None:
    own = Spool(claim(home / "spool", "keeper"), FrozenClock())
    with closing(own), closing(SqliteRecording(home)) as store:
        recorder = Recorder(home, store, own, lambda it: _refuse(it.begin.request_id))
        await recorder.start()
        while await recorder.step():
            pass
        if recorder.torn or recorder.aside:
            raise AssertionError(f"torn {recorder.torn}, put aside {recorder.aside}")


def _refuse(request_id: str) -> Any:  # noqa: ANN401 -- never gives anything
    raise AssertionError(f"{request_id} is lost")


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[dict[str, Any]]:
    for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5"):  # noqa: S608 -- ours
        yield {
            name: row[name].hex() if isinstance(row[name], bytes) else row[name]
            for name in row.keys()  # noqa: SIM118 -- of sqlite3.Row
            if row[name] is not None
        }


def _annotated(request_id: str, *, claimed: bool) -> Annotated:
    annotation = Annotation(
        annotation_id=f"n_{request_id[2:]}",
        request_id=request_id,
        tenant_id="acme-corp",
        ts_us=TS_US + 7,
        kind=AnnotationKind.FEEDBACK,
        name="thumbs",
        score=-1.0,
        source=AnnotationSource.USER,
    )
    return Annotated(annotation=annotation, request_us=TS_US, claimed=claimed)


def _spans(content: tuple[Blob, ...]) -> SpanBatch:
    span = AppSpan(
        tenant_id="acme-corp",
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id="b7ad6b7169203331",
        received_us=TS_US,
        ts_us=TS_US,
        end_us=TS_US + 9,
        name="retrieve",
        service="rag-api",
    )
    return SpanBatch(tenant_id="acme-corp", received_us=TS_US, spans=(span,), content=content)


def _packed(frame: object) -> bytes:
    return msgspec.msgpack.encode(frame)


def main() -> None:
    """Write the spool of this version, unless it is there."""
    target = GOLDEN / f"v{SCHEMA_VERSION}"
    if target.exists():
        sys.exit(f"'{target}' is there and stays as it is")
    with TemporaryDirectory() as directory:
        write(Path(directory))
        rows = replay(Path(directory) / "spool")
        copytree(Path(directory) / "spool", target)
    (target / EXPECTED).write_text(json.dumps(rows, sort_keys=True).replace("}, {", "},\n{") + "\n")


if __name__ == "__main__":
    main()

"""An erasure whose keeper is killed at whatever point is finished by the next one, once."""

import asyncio
import os
import signal
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import copytree
from sqlite3 import Connection
from typing import TypeVar

from msgspec import Raw
from msgspec.structs import replace
from tests.records import DAY_US, finish, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.control.changes import Control
from trimtab.control.erasures import Erasures
from trimtab.control.models import By
from trimtab.domain.change import PointerKind, Source
from trimtab.domain.erasure import Erasure, ErasureScope
from trimtab.jobs.erasing import Erasing
from trimtab.pipeline.content import ContentCapture
from trimtab.store.base.ending import Erased
from trimtab.store.base.reading import Cursor
from trimtab.store.base.recording import Batch, StoredBlob
from trimtab.store.sqlite.control import SqliteControl
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.testing import FrozenClock

# All begin with letters of their own: an index writes only what differs from the word before.
WORDS = [f"{chr(0x430 + n)}zimtschnecke{n}" for n in range(6)]
PAGE = 2

_T = TypeVar("_T")


class Mortal(SqliteRecording):
    """Dies at a step: before it, in the middle of what it changes, or behind it."""

    def __init__(self, home: Path, dies_at: int) -> None:
        super().__init__(home)
        self._left = dies_at

    @contextmanager
    def transaction(self, connection: Connection) -> Generator[Connection]:
        with super().transaction(connection) as opened:
            yield opened
            self._step()

    async def do(self, work: Callable[[Connection], _T]) -> _T:
        self._step()
        done = await super().do(work)
        self._step()
        return done

    async def erase(
        self,
        erasure: Erasure,
        *,
        now_us: int,
        after: Cursor | None = None,
        limit: int | None = PAGE,
    ) -> Erased:
        return await super().erase(erasure, now_us=now_us, after=after, limit=limit)

    def _step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def erasures(home: Path, store: SqliteRecording) -> Generator[Erasures]:
    clock = FrozenClock(TS_US + 10 * DAY_US)
    log, reading = SqliteControl(home / "control.db"), SqliteReading(home, tenant_key, clock)
    control = Control(log, clock, os.urandom)
    with closing(log), closing(reading), closing(store):
        yield Erasures(control, reading, store, clock, os.urandom, log)


def erasing(home: Path, store: SqliteRecording, found: Erasures) -> Erasing:
    async def acknowledged() -> Iterable[int]:
        return ()

    return Erasing(
        home, found, store, found.clock, acknowledged=acknowledged, passed=lambda _: True
    )


def carry_out(home: Path, dies_at: int) -> bool:
    """Carry out what is ordered in a process of its own; whether it lived through it."""

    async def once() -> None:
        store = Mortal(home, dies_at)
        with erasures(home, store) as found:
            await erasing(home, store, found).step()

    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(once())
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status == 0


async def fill(home: Path) -> None:
    """Store requests of a tenant with a word of their own each, found by it, and order it gone."""
    capture = ContentCapture(tenant_key)
    store = SqliteRecording(home)
    with erasures(home, store) as found:
        for seed, word in enumerate(WORDS):
            tenant = "globex" if seed == 0 else "acme"
            made = finish(seed, tenant_id=tenant, ts_us=TS_US + seed)
            messages = b'[{"role": "user", "content": "%b"}]' % " ".join([word] * 20).encode()
            body = b'{"messages": %b}' % messages
            kept = capture.capture(tenant, TS_US, body, Raw(messages))
            record = replace(made.record, input_ref=kept.ref, output_ref=None, content_state="full")
            blobs = tuple(StoredBlob(tenant, TS_US, it) for it in kept.blobs)
            await store.commit(Batch(finishes=(replace(made, record=record),), blobs=blobs))
            await store.index(lambda _: True, limit=10)
        await found.order(ErasureScope(tenant_id="acme"), By("dana", Source.CLI, "asked for"))


async def receipts(home: Path) -> list[str]:
    with erasures(home, SqliteRecording(home)) as found:
        changes = await found.control.history()
        return [it.pointer.name for it in changes if it.pointer.kind is PointerKind.RECEIPT]


def left_of(home: Path) -> set[str]:
    files = [it.read_bytes() for it in home.rglob("*") if it.is_file()]
    return {word for word in WORDS if any(word.encode() in data for data in files)}


def test_whatever_step_it_dies_at_the_next_keeper_finishes(tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path / "filled"))
    survived, step = False, 0
    while not survived:
        # Every other step, and at last none.
        step += 2
        home = copytree(tmp_path / "filled", tmp_path / f"dies-at-{step}")
        survived = carry_out(home, step)
        assert carry_out(home, 0), f"after it died at step {step}"
        assert left_of(home) == {WORDS[0]}, f"after it died at step {step}"
        assert len(asyncio.run(receipts(home))) == 1, f"after it died at step {step}"
    assert step > 20


async def test_what_a_keeper_stored_too_late_and_died_is_erased_by_the_next(tmp_path: Path) -> None:
    await fill(tmp_path)
    store = SqliteRecording(tmp_path)
    with erasures(tmp_path, store) as found:
        await erasing(tmp_path, store, found).step()
        capture = ContentCapture(tenant_key)
        late = finish(9, tenant_id="acme", ts_us=TS_US + 9)
        kept = capture.capture("acme", TS_US, " ".join([WORDS[3]] * 20).encode())
        record = replace(late.record, input_ref=kept.ref, output_ref=None, content_state="full")
        blobs = tuple(StoredBlob("acme", TS_US, it) for it in kept.blobs)
        await store.commit(Batch(finishes=(replace(late, record=record),), blobs=blobs))
        assert await store.erased({record.request_id}) == frozenset()

    store = SqliteRecording(tmp_path)
    with erasures(tmp_path, store) as found:
        await erasing(tmp_path, store, found).restore()

        assert await store.erased({record.request_id}) == {record.request_id}
    assert left_of(tmp_path) == {WORDS[0]}

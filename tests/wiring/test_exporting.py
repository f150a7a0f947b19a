"""Who may have content: a planted text, looked for in all that leaves the site."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from gzip import decompress
from pathlib import Path

import msgspec
import pytest
from tests.telemetry.shapes import SAID, TS_US, answered
from tests.telemetry.spooled import Spooled

from trimtab import wiring
from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import NotFound
from trimtab.domain.ids import TenantId
from trimtab.domain.tenant import ContentPolicy, Tenant, Tier
from trimtab.pipeline.content import ContentCapture
from trimtab.settings import ExporterSettings, GatewaySettings, load
from trimtab.store.base.recording import Batch, StoredBlob
from trimtab.telemetry.export import Exporter
from trimtab.telemetry.follow import Place
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.log_file import LogFile
from trimtab.telemetry.metrics import Sample, Samples
from trimtab.telemetry.preset import Content, Signal
from trimtab.telemetry.push import render_metrics
from trimtab.telemetry.spans import Source
from trimtab.testing import FrozenClock, ScriptedAnswer, ScriptedProvider
from trimtab.wiring.exporting import exporting, in_turn, named, pushing, receiver_of, words_of

PLANTED = b"planted-4f1c"
ASKED = b'{"messages": [{"role": "user", "content": "%b"}], "tools": []}' % PLANTED
ANSWERED = b'{"role": "assistant", "parts": [{"type": "text", "content": "%b"}]}' % PLANTED
SNAPSHOT = Snapshot(
    tiers={
        "open": Tier(name="open"),
        "closed": Tier(name="closed", content=ContentPolicy.NONE),
    },
    tenants={
        TenantId("heard"): Tenant(id=TenantId("heard"), tier="open"),
        TenantId("silent"): Tenant(id=TenantId("silent"), tier="open", content=ContentPolicy.NONE),
        TenantId("redacted"): Tenant(
            id=TenantId("redacted"), tier="open", content=ContentPolicy.REDACTED
        ),
        TenantId("by-tier"): Tenant(id=TenantId("by-tier"), tier="closed"),
    },
)


@pytest.fixture
async def told(tmp_path: Path) -> AsyncGenerator[tuple[Path, Mapping[str, Place]]]:
    """Fill spool and store with one request of each tenant, all with content and a verdict."""
    capture = ContentCapture(wiring.tenant_keys(tmp_path))
    worker = Spooled(tmp_path)
    store = wiring.ledger(tmp_path)
    for seed, tenant in enumerate(("heard", "silent", "redacted", "by-tier", "gone")):
        asked, said, why = (capture.capture(tenant, TS_US, it) for it in (ASKED, ANSWERED, PLANTED))
        blobs = (*asked.blobs, *said.blobs, *why.blobs)
        finish = answered(seed, tenant_id=tenant, input_ref=asked.ref, output_ref=said.ref)
        finish = msgspec.structs.replace(finish, content=blobs)
        annotation = msgspec.structs.replace(
            SAID.annotation,
            annotation_id=f"n_{seed}",
            tenant_id=tenant,
            request_id=finish.record.request_id,
            text_ref=why.ref,
        )
        note = msgspec.structs.replace(SAID, annotation=annotation, content=why.blobs)
        worker.finish(finish)
        worker.raw(worker.frame(Kind.ANNOTATION, msgspec.msgpack.encode(note)))
        await store.commit(
            Batch(finishes=(finish,), blobs=tuple(StoredBlob(tenant, TS_US, it) for it in blobs))
        )
    yield tmp_path, {"w1": Place(1, worker.path.stat().st_size)}
    store.close()


async def sent(
    home: Path, recorded: Mapping[str, Place], content: Content, signal: Signal
) -> bytes:
    """Export all that waits, and give every byte of it."""
    of = ExporterSettings(name="x", endpoint="http://h:1", content=content, signals=(signal,))
    provider = ScriptedProvider(*(ScriptedAnswer([]) for _ in range(20)))
    words = words_of(home, GatewaySettings(), lambda: SNAPSHOT, lambda: recorded)(of)
    chance = random.Random(7)  # noqa: S311 -- repeatable
    receiver = receiver_of(of, signal)
    exporter = Exporter(receiver, provider, home, FrozenClock(TS_US), chance, words)
    await exporter.step()
    return b"".join(head + decompress(body) for _, head, body in provider.sent)


@pytest.mark.parametrize("signal", [Signal.TRACES, Signal.LOGS])
@pytest.mark.parametrize("content", [Content.NONE, Content.REFERENCE])
async def test_content_never_leaks(
    told: tuple[Path, Mapping[str, Place]],
    content: Content,
    signal: Signal,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home, recorded = told

    data = await sent(home, recorded, content, signal)

    LogFile(home, FrozenClock(TS_US)).step()
    lines = b"".join(it.read_bytes() for it in (home / "log").glob("*"))
    metrics = render_metrics(
        await _costs(home), Source("k", "dev"), receiver_of(_plain(), Signal.METRICS).view, 1
    )
    assert data.count(b"heard") >= 1
    assert b"heard" in lines
    assert b"heard" in decompress(metrics)
    for place in (data, lines, decompress(metrics), caplog.text.encode()):
        assert PLANTED not in place


@pytest.mark.parametrize(
    ("signal", "times"),
    # Asked, answered, and why the judge said so.
    [(Signal.TRACES, 3), (Signal.LOGS, 1)],
)
async def test_only_tenants_whose_content_is_kept_are_exported_with_it(
    told: tuple[Path, Mapping[str, Place]], signal: Signal, times: int
) -> None:
    home, recorded = told

    assert (await sent(home, recorded, Content.SPAN, signal)).count(PLANTED) == times


async def test_content_that_was_erased_is_not_exported(
    told: tuple[Path, Mapping[str, Place]],
) -> None:
    home, recorded = told
    for path in (home / "content").rglob("*"):
        if path.is_file():
            path.unlink()

    data = await sent(home, recorded, Content.SPAN, Signal.TRACES)

    assert b"heard" in data
    assert PLANTED not in data


async def test_each_signal_has_an_exporter_and_metrics_of_the_keeper_are_pushed(
    tmp_path: Path,
) -> None:
    file = tmp_path / "trimtab.yaml"
    file.write_text(
        "version: 1\ntelemetry: {exporters: ["
        "{endpoint: http://h, signals: [traces, logs, metrics]},"
        " {name: b, endpoint: http://h}]}\n"
    )

    async def known() -> Samples:
        return {}

    words = words_of(tmp_path, GatewaySettings(), lambda: SNAPSHOT, dict)
    clock, settings = FrozenClock(TS_US), load(file, {})
    exporters = exporting(tmp_path, settings, clock, words)
    pushes = pushing(settings, clock, known)
    running = [asyncio.create_task(it) for it in in_turn((*exporters, *pushes))]
    await asyncio.sleep(0)

    assert (len(exporters), len(pushes)) == (3, 1)
    assert not any(it.done() for it in running)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def test_an_exporter_is_found_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "trimtab.yaml"
    file.write_text("version: 1\ntelemetry: {exporters: [{name: a, endpoint: http://h}]}\n")
    settings = load(file, {})

    assert named(settings, "a") is settings.telemetry.exporters[0]
    with pytest.raises(NotFound, match=r"no exporter 'b' is in .*; there is 'a'"):
        named(settings, "b")


def _plain() -> ExporterSettings:
    return ExporterSettings(name="x", endpoint="http://h:1")


async def _costs(home: Path) -> Samples:
    groups = ("tenant_id", "feature", "model")
    rows = await wiring.records(home).costs(since_us=0, until_us=1 << 62, group_by=groups)
    return {"trimtab_cost_nano_usd_total": [Sample(it.group, it.cost_nano) for it in rows]}

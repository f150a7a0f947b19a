"""Builds what leaves the site: for each receiver an exporter of traces, of logs, of metrics."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from trimtab import wiring
from trimtab.control.snapshot import Snapshot, keeps_content
from trimtab.domain.clock import Clock
from trimtab.domain.errors import NotFound
from trimtab.providers.http1 import Http1Transport
from trimtab.settings import ExporterSettings, GatewaySettings, Settings, resolve
from trimtab.telemetry.export import AT_ONCE, Exporter
from trimtab.telemetry.follow import Place
from trimtab.telemetry.metrics import Samples
from trimtab.telemetry.preset import Content, Signal, fill, preset
from trimtab.telemetry.push import MetricsPush
from trimtab.telemetry.receiver import Post, Receiver
from trimtab.telemetry.rehydrate import Append
from trimtab.telemetry.release import Releaser
from trimtab.telemetry.sampling import Mode, Sampler
from trimtab.telemetry.semconv import VERSIONS
from trimtab.telemetry.spans import Source
from trimtab.telemetry.view import View
from trimtab.telemetry.words import Words
from trimtab.wiring.following import proxy_of

KEEPER = "keeper"

WordsOf = Callable[[ExporterSettings], Words]


def exporting(home: Path, settings: Settings, clock: Clock, words: WordsOf) -> list[Exporter]:
    """Build the exporters of traces and logs.

    Raises:
        SettingsInvalid: an endpoint or a header cannot be used, or a secret is not there.
    """
    return [
        Exporter(
            receiver_of(of, signal, everything=settings.telemetry.sampling.mode is Mode.COLLECTOR),
            Http1Transport(),
            home,
            clock,
            random.Random(),  # noqa: S311 -- spreads retries
            words(of),
        )
        for of in settings.telemetry.exporters
        for signal in of.signals
        if signal is not Signal.METRICS
    ]


def releasing(
    home: Path,
    settings: Settings,
    spool: Append,
    clock: Clock,
    sampler: Sampler,
    recorded: Callable[[], Mapping[str, Place]],
) -> Sequence[Releaser]:
    """Build what has spans of applications exported, if anybody gets traces."""
    exporters = [it for it in settings.telemetry.exporters if Signal.TRACES in it.signals]
    if not exporters:
        return ()
    are_read = any(it.content not in (Content.NONE, Content.REFERENCE) for it in exporters)
    return (
        Releaser(
            home,
            spool,
            clock,
            sampler.of_spans,
            recorded=recorded if are_read else None,
            everything=settings.telemetry.sampling.mode is Mode.COLLECTOR,
        ),
    )


def pushing(
    settings: Settings, clock: Clock, known: Callable[[], Awaitable[Samples]]
) -> list[MetricsPush]:
    """Build what sends metrics. Raises `SettingsInvalid` as `exporting`."""
    source = Source(KEEPER, wiring.environment())
    receivers = [
        receiver_of(of, Signal.METRICS)
        for of in settings.telemetry.exporters
        if Signal.METRICS in of.signals
    ]
    return [MetricsPush(it, Post(it, Http1Transport()), known, source, clock) for it in receivers]


def in_turn(
    exporters: Iterable[Exporter | MetricsPush],
) -> Iterator[Coroutine[object, object, None]]:
    """Let exporters run, four of them at a time."""
    turn = asyncio.Semaphore(AT_ONCE)
    return (it.run(turn) for it in exporters)


def named(settings: Settings, name: str) -> ExporterSettings:
    """Find an exporter of the file.

    Raises:
        NotFound: it has none of that name.
    """
    for exporter in settings.telemetry.exporters:
        if exporter.name == name:
            return exporter
    known = ", ".join(f"'{it.name}'" for it in settings.telemetry.exporters) or "none"
    raise NotFound(f"no exporter '{name}' is in '{settings.file}'; there is {known}")


def place_name(exporter: ExporterSettings, signal: Signal) -> str:
    """Name the files of a signal; traces have the plain name, and no name has an `@`."""
    return exporter.name if signal is Signal.TRACES else f"{exporter.name}@{signal}"


def receiver_of(of: ExporterSettings, signal: Signal, *, everything: bool = False) -> Receiver:
    """Describe where a signal of an exporter goes; with `everything`, what is not kept goes, too.

    Raises:
        SettingsInvalid: a secret is not there.
    """
    known = preset(of.preset)
    secrets = {it: resolve(at, os.environ).reveal() for it, at in of.secrets.items()}
    filled = fill(known, of.endpoint, {**of.values, **secrets})
    own = ((it.lower(), resolve(at, os.environ).reveal()) for it, at in of.headers.items())
    return Receiver(
        name=place_name(of, signal),
        endpoint=filled.endpoint,
        headers=tuple({**dict(filled.headers), **dict(own)}.items()),
        ca_file=of.ca_file,
        proxy=proxy_of(filled.endpoint),
        path=known.path.format(signal=signal),
        view=view_of(of, signal, everything=everything),
    )


def view_of(of: ExporterSettings, signal: Signal, *, everything: bool = False) -> View:
    """Describe what an exporter shows of a signal; no secret is looked at."""
    known = preset(of.preset)
    resource = fill(known, of.endpoint, of.values).resource
    return View(
        version=VERSIONS[of.semconv].without(known.forbidden),
        extras=known.extras,
        resource={"service.version": version("trimtab"), **resource},
        signal=signal,
        encoding=known.encoding,
        evaluations=signal is Signal.LOGS or Signal.LOGS not in of.signals,
        everything=everything,
        forbidden=known.forbidden,
    )


def words_of(
    home: Path,
    gateway: GatewaySettings,
    snapshot: Callable[[], Snapshot],
    recorded: Callable[[], Mapping[str, Place]],
) -> WordsOf:
    """Let exporters read content, of tenants whose policy keeps it now."""
    records = wiring.records(home)
    site = gateway.public_url or f"http://{gateway.host}:{gateway.port}"

    async def read(tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        if not keeps_content(snapshot(), tenant_id):
            return None
        return await records.content(tenant_id, ts_us, ref)

    def words(of: ExporterSettings) -> Words:
        link = f"{site}/console/requests/"
        return Words(content=of.content, read=read, recorded=recorded, link=link)

    return words

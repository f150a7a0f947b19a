"""Builds what short commands send: a test trace, what was put aside, requests from the store."""

import asyncio
import os
import random
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from trimtab import wiring
from trimtab.domain import ids
from trimtab.domain.record import Attempt, Detail, Finish, RequestRecord, StageTime
from trimtab.providers.http1 import Http1Transport
from trimtab.settings import ExporterSettings, Settings
from trimtab.telemetry.again import Backfill, Patient, Reposted, repost
from trimtab.telemetry.preset import Signal
from trimtab.telemetry.receiver import Answer, Post, Receiver
from trimtab.telemetry.spans import Source, render
from trimtab.telemetry.standing import letters
from trimtab.telemetry.view import encode
from trimtab.wiring.exporting import named, place_name, receiver_of, words_of

TESTED = "trimtab-check"
"""Tenant, model and provider of a test trace: nobody is called so."""


class Sent(NamedTuple):
    """A test trace on its way."""

    url: str
    trace_id: str
    answer: Answer


async def send_test(exporter: ExporterSettings) -> Sent:
    """Send one test trace.

    Raises:
        SettingsInvalid: endpoint or headers cannot be used, or a secret is not there.
    """
    receiver = receiver_of(exporter, Signal.TRACES)
    finish = _test_request(wiring.SystemClock().now_us())
    view = receiver.view
    source = Source(TESTED, wiring.environment())
    body = encode(((source, it) for it in render(finish, view.version, view.extras)), view)
    with _post(receiver) as post:
        return Sent(post.url, finish.record.trace_id, await post(body))


async def retry(home: Path, exporter: ExporterSettings) -> Reposted:
    """Send again what an exporter put aside, of all its signals."""
    sent = Reposted(0, 0, 0, None)
    for signal in (it for it in exporter.signals if it is not Signal.METRICS):
        with _post(receiver_of(exporter, signal)) as post:
            found = letters(home, place_name(exporter, signal))
            sent = sent.plus(await repost(found, _patient(post)))
    return sent


async def backfill(home: Path, settings: Settings, name: str, span: tuple[int, int]) -> int:
    """Send the traces of requests that began in a span of time; gives the number of spans.

    Raises:
        TryLater: the receiver does not take them, or the store is away.
    """
    exporter = named(settings, name)
    receiver = receiver_of(exporter, Signal.TRACES)
    snapshot = await wiring.control(home).snapshot()
    words = words_of(home, settings.gateway, lambda: snapshot, dict)(exporter)
    with _post(receiver) as post:
        fill = Backfill(wiring.records(home), _patient(post), receiver.view, words)
        return sum([spans async for spans in fill(*span)])


@contextmanager
def _post(receiver: Receiver) -> Generator[Post]:
    transport = Http1Transport()
    try:
        yield Post(receiver, transport)
    finally:
        transport.close()


def _patient(post: Post) -> Patient:
    chance = random.Random()  # noqa: S311 -- spreads retries
    return Patient(post, asyncio.sleep, wiring.SystemClock().now_us, chance)


def _test_request(now_us: int) -> Finish:
    request_id = ids.request_id(now_us, os.urandom)
    took_us = 100_000
    attempt = Attempt(
        n=1,
        target=f"{TESTED}/{TESTED}",
        provider=TESTED,
        model_sent=TESTED,
        model_response=TESTED,
        started_us=now_us - took_us,
        dur_us=took_us,
        input_tokens=1,
        output_tokens=1,
        usage_source="provider",
        cost_nano=0,
    )
    record = RequestRecord(
        request_id=request_id,
        ts_us=now_us - took_us,
        end_us=now_us,
        trace_id=ids.trace_id(now_us, os.urandom),
        span_id=ids.span_id(request_id, "request"),
        worker_id=TESTED,
        config_seq=0,
        origin="drill",
        tenant_id=TESTED,
        tier=TESTED,
        key_id="",
        operation="chat",
        wire="openai.chat",
        model_requested=TESTED,
        target=attempt.target,
        provider=TESTED,
        model_response=TESTED,
        finish_reasons="stop",
        input_tokens=1,
        output_tokens=1,
        cost_nano=0,
        latency_us=took_us,
        status="ok",
        http_status=200,
        attempt_count=1,
    )
    stages = (StageTime("admit", 0, 100), StageTime("settle", took_us - 100, 100))
    return Finish(record=record, detail=Detail(stages=stages), attempts=(attempt,))

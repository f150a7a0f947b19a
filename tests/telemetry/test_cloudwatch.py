"""What CloudWatch is told of a minute, against the schema of AWS's specification."""

import json
import time
from typing import Any

import jsonschema_rs
import pytest

from trimtab.domain.errors import TryLater
from trimtab.telemetry.cloudwatch import CloudWatchJob, Embedded, Minute, Spread, data, documents
from trimtab.telemetry.metrics import METRICS, Histogram, Kind, Sample, Samples
from trimtab.testing import FrozenClock

TEXT: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 1024}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "properties": {
                            "Namespace": TEXT,
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "maxItems": 30,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "properties": {
                                        "Name": TEXT,
                                        "Unit": {"enum": ["Seconds", "Bytes", "Count", "None"]},
                                    },
                                    "additionalProperties": False,
                                },
                            },
                        },
                        "additionalProperties": False,
                    },
                },
            },
            "additionalProperties": False,
        }
    },
}
"""As the specification has it, with the few units that we use."""


def samples_of(**found: list[Sample]) -> Samples:
    return {name: found.get(name, []) for name in METRICS}


def histogram(**buckets: int) -> Histogram:
    counts = tuple(buckets.get(f"b{number}", 0) for number in range(15))
    return Histogram(counts, float(sum(counts)), {})


def at(n: int, cost: int = 0) -> Samples:
    """Give what stands after so many requests of two tenants."""
    return samples_of(
        trimtab_requests_total=[
            Sample(("acme", "f", "chat", "ok", "live"), n),
            Sample(("acme", "f", "chat", "lost", "live"), n),
            Sample(("small", "f", "chat", "ok", "live"), n),
            Sample(("__other__", "f", "chat", "ok", "live"), n),
        ],
        trimtab_cost_nano_usd_total=[
            Sample(("acme", "f", "chat"), 2_000_000_000 + cost),
            Sample(("small", "f", "chat"), 1),
            Sample(("__other__", "f", "chat"), 1 << 60),
        ],
        gen_ai_client_operation_duration_seconds=[
            Sample(("chat", "sim", "chat", ""), histogram(b2=n, b14=n))
        ],
        trimtab_spool_lag_seconds=[Sample(("w1",), 2.0), Sample(("w2",), 7.0)],
        trimtab_spool_bytes=[Sample(("w1",), 10), Sample(("w2",), 20)],
    )


class Seen:
    """A `Sink` that remembers, and may be away."""

    def __init__(self) -> None:
        self.minutes: list[tuple[Minute, int]] = []
        self.is_away = False

    async def __call__(self, minute: Minute, at_ms: int) -> None:
        if self.is_away:
            raise TryLater("away")
        self.minutes.append((minute, at_ms))


class Site:
    """A job over samples that a test sets."""

    def __init__(self) -> None:
        self.now = at(10)
        self.seen = Seen()
        self.clock = FrozenClock()
        self.job = CloudWatchJob(self._samples, self.seen, 1, self.clock)

    async def _samples(self) -> Samples:
        return self.now

    async def added(self, samples: Samples) -> Minute:
        self.now = samples
        self.clock.advance(60)
        await self.job.run()
        return self.seen.minutes[-1][0]


@pytest.fixture
async def site() -> Site:
    made = Site()
    await made.job.run()
    assert made.seen.minutes == []
    return made


async def test_a_minute_is_what_was_added_since_the_last(site: Site) -> None:
    minute = await site.added(at(13, cost=500_000_000))

    of_all, of_model, of_tenant = (
        minute[it] for it in (None, ("Model", "chat"), ("Tenant", "acme"))
    )
    assert (of_all["Requests"], of_all["Errors"]) == (12, 3)
    assert of_all["CostUSD"] == of_tenant["CostUSD"] == pytest.approx(0.5)
    assert of_all["Duration"] == of_model["Duration"]
    assert of_all["Duration"] == Spread({0.04: 3, 163.84: 3}, 6.0)
    assert (of_all["SpoolLag"], of_all["SpoolBytes"]) == (7.0, 30)
    assert set(minute) == {None, ("Model", "chat"), ("Tenant", "acme")}


async def test_what_could_not_be_told_is_told_the_next_minute(site: Site) -> None:
    site.seen.is_away = True
    with pytest.raises(TryLater):
        await site.added(at(11))
    site.seen.is_away = False

    minute = await site.added(at(13))

    assert minute[None]["Requests"] == 12


async def test_a_tenant_that_becomes_dear_did_not_ask_for_all_of_it_now(site: Site) -> None:
    samples = dict(at(11))
    samples["trimtab_cost_nano_usd_total"] = [Sample(("small", "f", "chat"), 9_000_000_000)]

    minute = await site.added(samples)

    assert minute["Tenant", "small"]["Requests"] == 0
    assert (await site.added({**samples, **_requests(at(15))}))["Tenant", "small"]["Requests"] == 4


async def test_a_counter_that_begins_anew_is_never_told_as_less_than_nothing(site: Site) -> None:
    minute = await site.added(at(3))

    assert minute[None]["Requests"] == 0
    assert "Duration" not in minute[None]


async def test_every_document_is_as_the_specification_says(site: Site) -> None:
    lines: list[bytes] = []
    minute = await site.added(at(70_000, cost=1))

    await Embedded("Trimtab", lines.append)(minute, 1_777_142_520_000)

    written = b"".join(lines).splitlines()
    assert len(written) == 3
    validator = jsonschema_rs.validator_for(SCHEMA)
    for line in written:
        document = json.loads(line)
        validator.validate(document)
        assert len(line) <= 256 * 1024
        [directive] = document["_aws"]["CloudWatchMetrics"]
        [dimensions] = directive["Dimensions"]
        assert all(isinstance(document[name], str) for name in dimensions)
        for metric in directive["Metrics"]:
            value: Any = document[metric["Name"]]
            values: list[Any] = list(value) if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownArgumentType]
            assert 1 <= len(values) <= 100
            assert all(isinstance(it, int | float) for it in values)


def test_many_values_are_told_by_a_hundred_that_are_spread_alike() -> None:
    spread = Spread({0.01: 900_000, 10.0: 90_000, 80.0: 10_000}, 1.0)

    values = spread.values()

    assert len(values) == 100
    assert (values.count(0.01), values.count(10.0), values.count(80.0)) == (90, 9, 1)
    assert Spread({0.01: 2, 1.0: 1}, 1.0).values() == [0.01, 0.01, 1.0]


@pytest.mark.parametrize("zone", ["Europe/Rome", "UTC", "America/New_York"])
async def test_time_is_that_of_the_world_whatever_clocks_on_walls_do(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    site = Site()
    site.clock = site.job.clock = FrozenClock(1_792_889_970_000_000)  # 2026-10-25 00:59:30 UTC
    await site.job.run()
    for _ in range(3):
        await site.added(at(11))

    assert [at_ms for _, at_ms in site.seen.minutes] == [
        1_792_890_000_000,
        1_792_890_060_000,
        1_792_890_120_000,
    ]
    monkeypatch.undo()
    time.tzset()


async def test_a_clock_that_steps_back_tells_nothing_twice(site: Site) -> None:
    await site.added(at(12))
    site.clock.advance(-3_600)

    minute = await site.added(at(13))

    assert minute[None]["Requests"] == 4
    assert site.seen.minutes[-1][1] % 60_000 == 0
    now_ms = site.clock.now_us() / 1000
    assert now_ms - 60_000 <= site.seen.minutes[-1][1] <= now_ms


async def test_data_of_the_api_are_values_and_sets_of_statistics(site: Site) -> None:
    minute = await site.added(at(13))

    told = {(it["MetricName"], str(it["Dimensions"])): it for it in data(minute, 1_777_142_520_000)}

    model = "[{'Name': 'Model', 'Value': 'chat'}]"
    assert told["Requests", "[]"]["Value"] == 12
    assert told["Duration", model]["StatisticValues"] == {
        "SampleCount": 6.0,
        "Sum": 6.0,
        "Minimum": 0.04,
        "Maximum": 163.84,
    }
    assert all(it["Timestamp"] == 1_777_142_520.0 for it in told.values())


def test_no_gauge_is_told_as_what_was_added() -> None:
    kinds = {METRICS[name].kind for name in ("trimtab_spool_lag_seconds", "trimtab_worker_up")}

    assert kinds == {Kind.GAUGE}
    assert list(documents({}, "Trimtab", 0)) == []


def _requests(samples: Samples) -> Samples:
    return {"trimtab_requests_total": samples["trimtab_requests_total"]}

"""Calls of boto3 against a little of CloudWatch's API."""

from collections.abc import Generator

import pytest
from tests.telemetry.cloudwatch_sim import CloudWatch

from trimtab.domain.errors import TryLater
from trimtab.telemetry.cloudwatch import Minute, Spread
from trimtab.telemetry.put_metric_data import PutMetricData

AT_MS = 1_777_142_520_000
MINUTE: Minute = {
    None: {"Requests": 3.0, "Duration": Spread({0.04: 2, 10.24: 1}, 9.5)},
    ("Tenant", "acme"): {"CostUSD": 0.25},
}


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> Generator[CloudWatch]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x" * 20)
    server = CloudWatch()
    with server.up():
        yield server


async def test_a_minute_arrives_signed_and_whole(cloudwatch: CloudWatch) -> None:
    await PutMetricData("Trimtab", "eu-central-1", cloudwatch.url)(MINUTE, AT_MS)

    requests, duration, cost = cloudwatch.taken
    assert (requests["MetricName"], requests["Value"]) == ("Requests", 3.0)
    assert duration["StatisticValues"]["Sum"] == 9.5
    assert duration["Unit"] == "Seconds"
    assert cost["Dimensions"] == [{"Name": "Tenant", "Value": "acme"}]
    assert cost["Timestamp"] == AT_MS // 1000


async def test_a_call_has_no_more_than_a_thousand_data(cloudwatch: CloudWatch) -> None:
    minute: Minute = {("Model", f"m{n}"): {"Requests": 1.0} for n in range(2_001)}

    await PutMetricData("Trimtab", "eu-central-1", cloudwatch.url)(minute, AT_MS)

    assert cloudwatch.sizes == [1_000, 1_000, 1]
    assert len(cloudwatch.taken) == 2_001


async def test_what_is_not_taken_is_tried_again_by_the_job(cloudwatch: CloudWatch) -> None:
    put = PutMetricData("", "eu-central-1", cloudwatch.url)

    with pytest.raises(TryLater, match="cloudwatch:PutMetricData"):
        await put(MINUTE, AT_MS)

    assert cloudwatch.taken == []


async def test_a_moment_of_throttling_is_waited_out(cloudwatch: CloudWatch) -> None:
    cloudwatch.refusals.append(400)

    await PutMetricData("Trimtab", "eu-central-1", cloudwatch.url)(MINUTE, AT_MS)

    assert len(cloudwatch.taken) == 3


@pytest.mark.usefixtures("cloudwatch")
async def test_nobody_there_is_a_reason_to_try_later() -> None:
    put = PutMetricData("Trimtab", "eu-central-1", "http://127.0.0.1:1")

    with pytest.raises(TryLater, match="does not take metrics"):
        await put(MINUTE, AT_MS)

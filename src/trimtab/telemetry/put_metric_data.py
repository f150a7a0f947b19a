"""Tells a minute to the API of CloudWatch, with the library and the credentials of AWS."""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

import boto3  # pyright: ignore[reportMissingTypeStubs] -- it has none
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]
from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    BotoCoreError,
    ClientError,
)

from trimtab.domain.errors import TryLater
from trimtab.telemetry.cloudwatch import Minute, data

MOST_DATA = 1_000
TIMEOUT_S = 10


class _Client(Protocol):
    put_metric_data: Callable[..., object]


class PutMetricData:
    """A `Sink` over `PutMetricData`."""

    def __init__(self, namespace: str, region: str, endpoint: str | None) -> None:
        """Connect to nothing yet; credentials are found as every program of AWS finds them."""
        config = Config(
            connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"max_attempts": 2}
        )
        client = cast(
            "_Client",
            boto3.client(  # pyright: ignore[reportUnknownMemberType]
                "cloudwatch", region_name=region, endpoint_url=endpoint, config=config
            ),
        )
        self._put_metric_data = client.put_metric_data
        self._namespace = namespace

    async def __call__(self, minute: Minute, at_ms: int) -> None:
        """See `Sink`."""
        await asyncio.to_thread(self._put, data(minute, at_ms))

    def _put(self, found: list[dict[str, object]]) -> None:
        try:
            for start in range(0, len(found), MOST_DATA):
                part = found[start : start + MOST_DATA]
                self._put_metric_data(Namespace=self._namespace, MetricData=part)
        except (BotoCoreError, ClientError) as exc:
            raise TryLater(
                f"CloudWatch does not take metrics ({exc}); see that the credentials may"
                " cloudwatch:PutMetricData, and that it can be reached from here"
            ) from exc

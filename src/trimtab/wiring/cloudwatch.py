"""Builds the job that tells metrics to CloudWatch, where the file names it."""

import sys
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid
from trimtab.jobs.schedule import Job
from trimtab.settings import CloudWatchMode, CloudWatchSettings
from trimtab.telemetry.cloudwatch import EVERY_S, CloudWatchJob, Embedded, Sink
from trimtab.telemetry.metrics import Samples

PUT_METRIC_DATA = "trimtab.telemetry.put_metric_data:PutMetricData"


def cloudwatch_jobs(
    settings: CloudWatchSettings | None,
    samples: Callable[[], Awaitable[Samples]],
    clock: Clock,
) -> list[Job]:
    """Build the job, if it is wanted.

    Raises:
        SettingsInvalid: it needs an extra that is not installed.
    """
    if settings is None:
        return []
    job = CloudWatchJob(samples, _sink(settings), settings.top_tenants, clock)
    return [Job("cloudwatch", EVERY_S, job.run)]


def _sink(settings: CloudWatchSettings) -> Sink:
    if settings.mode is CloudWatchMode.EMF:
        return Embedded(settings.namespace, _writer(settings.file))
    if find_spec("boto3") is None:
        raise SettingsInvalid(
            "`cloudwatch: {mode: put_metric_data}` needs an extra that is not installed; run"
            " pip install 'trimtab[cloudwatch]'"
        )
    made: Callable[[str, str, str | None], Sink] = resolve_name(PUT_METRIC_DATA)
    return made(settings.namespace, settings.region or "", settings.endpoint)


def _writer(path: Path | None) -> Callable[[bytes], None]:
    def write(lines: bytes) -> None:
        if path is None:
            sys.stdout.buffer.write(lines)
            sys.stdout.buffer.flush()
            return
        # Opened anew each time, so that it may be moved away by who rotates it.
        with path.open("ab") as file:
            file.write(lines)

    return write

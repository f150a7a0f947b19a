"""`GET /metrics`: what the keeper knows of all workers, in the forms that Prometheus reads.

Counters of requests are committed together with the records. So they equal the ledger, to the
nano-dollar, and neither a crash nor a restart resets them. Forms:
https://prometheus.io/docs/instrumenting/exposition_formats/ and OpenMetrics 1.0, which has a trace
to look at beside the buckets of histograms.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from ipaddress import ip_address
from itertools import accumulate

from starlette.requests import Request

from trimtab.console.base import Console
from trimtab.telemetry.metrics import METRICS, Histogram, Kind, Metric, Sample, Samples

_OPEN = "application/openmetrics-text"


class Form(Enum):
    """A form of the text, by its media type."""

    PLAIN = "text/plain; version=0.0.4; charset=utf-8"
    OPEN = f"{_OPEN}; version=1.0.0; charset=utf-8"


def is_open(console: Console, request: Request) -> bool:
    """Tell whether a caller needs no token: one on this machine, unless a proxy may stand there."""
    client = request.headers.get("x-trimtab-client", "")
    try:
        return ip_address(client).is_loopback and not console.secure_cookies
    except ValueError:
        return False


def form_of(accept: str) -> Form:
    """Choose a form: OpenMetrics for those who name it, as Prometheus does first of all."""
    named = (it.partition(";")[0].strip().lower() for it in accept.split(","))
    return Form.OPEN if _OPEN in named else Form.PLAIN


def written(samples: Samples, form: Form) -> str:
    """Write all metrics."""
    lines = [line for name, found in samples.items() for line in _metric(name, found, form)]
    return "\n".join([*lines, *(["# EOF"] if form is Form.OPEN else []), ""])


def _metric(name: str, samples: Sequence[Sample], form: Form) -> Iterator[str]:
    metric = METRICS[name]
    family = name
    if form is Form.OPEN and metric.kind is Kind.COUNTER:
        family = name.removesuffix("_total")
    yield f"# HELP {family} {metric.told}"
    yield f"# TYPE {family} {metric.kind}"
    for labels, value in samples:
        told = [
            f'{label}="{_escaped(it)}"' for label, it in zip(metric.labels, labels, strict=True)
        ]
        if isinstance(value, Histogram):
            yield from _histogram(name, metric, told, value, form)
        else:
            yield f"{_series(name, told)} {value}"


def _histogram(
    name: str, metric: Metric, told: list[str], value: Histogram, form: Form
) -> Iterator[str]:
    bounds = (*(f"{bound:g}" for bound in metric.bounds), "+Inf")
    for number, (bound, n) in enumerate(zip(bounds, accumulate(value.counts), strict=True)):
        series = _series(f"{name}_bucket", [*told, f'le="{bound}"'])
        shown = value.shown.get(number) if form is Form.OPEN else None
        beside = ""
        if shown is not None:
            beside = f' # {{trace_id="{shown.trace_id}"}} {shown.value} {shown.at_s:.3f}'
        yield f"{series} {n}{beside}"
    yield f"{_series(f'{name}_sum', told)} {value.total}"
    yield f"{_series(f'{name}_count', told)} {sum(value.counts)}"


def _series(name: str, told: list[str]) -> str:
    return f"{name}{{{','.join(told)}}}" if told else name


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

"""One line that instruments an app: `init`. Without it all of this does nothing, and costs nothing.

OpenTelemetry is an extra; it is imported when `init` is called, and not before.
"""

import atexit
import os
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from multiprocessing import util
from typing import NamedTuple

import msgspec

from trimtab.domain.errors import SettingsInvalid
from trimtab.sdk.http import Wire
from trimtab.sdk.outbox import Outbox
from trimtab.sdk.spans import Attributes, Span, Tracing

EXIT_S = 1.0
URL, KEY = "TRIMTAB_URL", "TRIMTAB_KEY"


class Telemetry(NamedTuple):
    """Where an app tells things, once it is instrumented."""

    url: str
    key: str
    tracing: Tracing
    feedback: Outbox[Mapping[str, object]]


class _State:
    """State: what `init` made."""

    telemetry: Telemetry | None = None
    lock = threading.Lock()


def init(service: str, *, url: str | None = None, key: str | None = None) -> None:
    """Instrument this process. A second time does nothing.

    Spans of the app are sent to the gateway from a thread, also those of a tracer provider that is
    there already: it is added to, and not replaced. They are sent out at exit, and in a process
    that was forked anew.

    Args:
        service: Name of the app, for its spans, if it has no tracer provider of its own.
        url: Address of the gateway; `TRIMTAB_URL` by default.
        key: A key of the tenant; `TRIMTAB_KEY` by default.

    Raises:
        SettingsInvalid: address or key are missing or broken, or `trimtab[sdk]` is not installed.
    """
    with _State.lock:
        if _State.telemetry is None:
            url, key = _given(url, URL), _given(key, KEY)
            wire = Wire(url, key)
            feedback = Outbox[Mapping[str, object]](
                wire, "/v1/feedback", lambda it: msgspec.json.encode(it[0]), at_once=1
            )
            _State.telemetry = Telemetry(url, key, _tracing(wire, service), feedback)
            atexit.register(flush, EXIT_S)
            # A process of multiprocessing ends without what is registered there.
            util.register_after_fork(_State, lambda _: util.Finalize(None, flush, exitpriority=0))


def current() -> Telemetry:
    """Give what `init` made. Raises `SettingsInvalid` if it was not called."""
    if _State.telemetry is None:
        raise SettingsInvalid("nothing is instrumented; call `trimtab.sdk.init(service=...)` first")
    return _State.telemetry


def flush(timeout_s: float = EXIT_S) -> bool:
    """Send what is there to be sent; tells whether that was done in time."""
    telemetry = _State.telemetry
    if telemetry is None:
        return True
    done = telemetry.feedback.flush(timeout_s)
    return telemetry.tracing.flush(timeout_s) and done


@contextmanager
def span(
    name: str, kind: str, attributes: Attributes, *, only_root: bool = False
) -> Generator[Span | None]:
    """Run a block as a span, if the process is instrumented.

    With `only_root` only where none runs yet.
    """
    telemetry = _State.telemetry
    if telemetry is None or (only_root and trace_headers()):
        yield None
        return
    with telemetry.tracing.span(name, kind, attributes) as it:
        yield it


def trace_headers() -> Mapping[str, str]:
    """Give the headers that tell of the span that runs; none if none does."""
    return {} if _State.telemetry is None else _State.telemetry.tracing.headers()


def keeps_content() -> bool:
    """Whether spans may say what people wrote."""
    return _State.telemetry is not None and _State.telemetry.tracing.keeps_content


def _given(value: str | None, name: str) -> str:
    found = value or os.environ.get(name, "")  # noqa: TID251 -- of the app, which has no settings of ours
    if not found:
        raise SettingsInvalid(f"{name} is not set; set it, or give `init` what it would say")
    return found


def _tracing(wire: Wire, service: str) -> Tracing:
    try:
        from trimtab.sdk.tracing import OpenTelemetry  # noqa: PLC0415 -- an extra, and slow
    except ImportError as exc:
        raise SettingsInvalid(
            "OpenTelemetry is not installed; run `pip install 'trimtab[sdk]'`"
        ) from exc
    return OpenTelemetry(wire, service)

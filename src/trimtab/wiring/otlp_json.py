"""A trace as an exporter sends it. Loaded late: it takes protobuf."""

from pathlib import Path

from trimtab import wiring
from trimtab.domain.errors import NotFound
from trimtab.settings import ExporterSettings, Settings
from trimtab.store.base.reading import RecordReader
from trimtab.store.base.recording import StoredRecord
from trimtab.telemetry.again import rendered, told_around
from trimtab.telemetry.preset import Signal
from trimtab.telemetry.view import as_json, request_of
from trimtab.wiring.exporting import named, view_of

INDENT = 2


async def otlp_json(
    stored: StoredRecord, records: RecordReader | None, config: Path | None, exporter: str
) -> str:
    """Write a trace as OTLP/JSON, without words; what an application told is of `records`, if any.

    Raises:
        NotFound: no exporter of traces has that name.
    """
    view = view_of(_exporter(wiring.load_settings(config), exporter), Signal.TRACES)
    entries = rendered(stored, view)
    if records is not None:
        entries += await told_around(stored, records, view)
    return as_json(request_of(((it.source, it.span) for it in entries), view), INDENT)


def _exporter(settings: Settings, name: str) -> ExporterSettings:
    if name:
        found = named(settings, name)
        if Signal.TRACES not in found.signals:
            raise NotFound(f"exporter '{name}' sends no traces; name another")
        return found
    sending = (it for it in settings.telemetry.exporters if Signal.TRACES in it.signals)
    return next(sending, ExporterSettings(name="otlp", endpoint=""))

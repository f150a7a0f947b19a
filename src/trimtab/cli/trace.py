"""`trimtab trace`: what happened in a call."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from pkgutil import resolve_name

import click
import msgspec

from trimtab import wiring
from trimtab.cli.options import config_option, home_option
from trimtab.cli.output import author, instant, print_json
from trimtab.domain.annotation import Annotation, latest
from trimtab.domain.app_span import AppSpan
from trimtab.domain.change import Source
from trimtab.domain.errors import NotFound, RecordErased, TryLater
from trimtab.domain.ids import ulid_ms
from trimtab.domain.money import usd_text
from trimtab.domain.prompt import SHORT_HASH
from trimtab.domain.record import Attempt, ContentState, RequestRecord
from trimtab.incidents.joined import Retrieved, Trace, join, retrieved
from trimtab.store.base.reading import RecordFilter, RecordReader
from trimtab.store.base.recording import StoredRecord
from trimtab.telemetry.peek import find_spooled

APP_SPANS = 50
DEEPEST = 9


@click.command()
@click.argument("request_id")
@click.option(
    "--content", is_flag=True, help="Print what was sent and answered, too; the audit notes it."
)
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@click.option("--otlp", is_flag=True, help="Print the trace as OTLP/JSON, as it is exported.")
@click.option("--exporter", default="", help="As which exporter of the file sends it; with --otlp.")
@config_option
def trace(
    request_id: str,
    home: Path,
    config: Path | None,
    exporter: str,
    *,
    content: bool,
    as_json: bool,
    otlp: bool,
) -> None:
    """Show one request: verdict, waterfall, usage and cost. A unique prefix of the id is enough.

    One that is not stored yet is shown as it lies in the spool of its worker.

    With `--otlp` it is what the first exporter of the file sends, under its names of the
    conventions, with what the application told and without what people wrote. Evaluations are
    sent by themselves, when they come.

    Example: trimtab trace r_01KQ2Z61CT
    """
    if otlp and (content or as_json):
        raise click.UsageError("--otlp is JSON, without content; leave out --json and --content")
    if (exporter or config) and not otlp:
        raise click.UsageError("--exporter and --config are of --otlp")
    if otlp:
        asyncio.run(_otlp(request_id, home, config, exporter))
        return
    asyncio.run(_trace(request_id, home, content=content, as_json=as_json))


async def _otlp(request_id: str, home: Path, config: Path | None, exporter: str) -> None:
    write: Callable[..., Awaitable[str]] = resolve_name("trimtab.wiring.otlp_json:otlp_json")
    records = wiring.records(home)
    stored, _, is_stored = await _find(records, request_id, home)
    record = stored.record
    if not record.trace_kept:
        told = f"this trace was dropped; `trimtab rehydrate {record.request_id}` exports it"
        click.echo(told, err=True)
    click.echo(await write(stored, records if is_stored else None, config, exporter))


async def _trace(request_id: str, home: Path, *, content: bool, as_json: bool) -> None:
    records = wiring.records(home)
    stored, annotations, is_stored = await _find(records, request_id, home)
    texts: dict[str, str] = {}
    record = stored.record
    if content and record.content_state == ContentState.ERASED:
        raise RecordErased(
            f"the content of '{record.request_id}' was erased; look at it without --content"
        )
    if content:
        parts = {"input": record.input_ref, "output": record.output_ref}
        said = {f"why {it.name}": it.text_ref for it in latest(annotations) if it.text_ref}
        found = await wiring.audit(home).read_all(
            record, [*parts.values(), *said.values()], author=author(), source=Source.CLI
        )
        for name, data in zip((*parts, *said), found, strict=True):
            texts[name] = data.decode(errors="replace") if data else "(not kept)"
    around = await join(records, record) if is_stored else None
    found = await retrieved(records, stored, around)
    spans: tuple[AppSpan, ...] = ()
    if around is not None:
        first = list(islice(around.spans, APP_SPANS))
        spans = await records.spans(record.tenant_id, around.trace_id, first)
    if as_json:
        document = msgspec.to_builtins(stored.record, builtin_types=(bytes,))
        told = {
            "annotations": [_hex(_built(it)) for it in annotations],
            "app_spans": [_hex(_built(it)) for it in spans],
            "retrieved": msgspec.to_builtins(found),
        }
        print_json({**_hex(document), **_parts(stored), **told, **texts})
    else:
        story = [*_story(stored), *_around(record, around, spans), *_retrieved(found)]
        story += map(_annotation, latest(annotations))
        click.echo("\n".join(story))
        for name, text in texts.items():
            click.echo(f"\n{name}\n{text}")


async def _find(
    records: RecordReader, request_id: str, home: Path
) -> tuple[StoredRecord, Sequence[Annotation], bool]:
    """Find a request in the store, else in the spools; tells whether it is stored.

    Raises:
        NotFound: it is in neither; the nearest hint.
    """
    away: TryLater | None = None
    try:
        stored = await records.find(request_id)
        if stored is not None:
            return stored, await records.annotations(stored.record.request_id), True
    except TryLater as exc:
        away = exc
    spooled = find_spooled(home / "spool", request_id)
    if spooled is None:
        if away is not None:
            raise away
        raise NotFound(f"request {request_id!r} is not stored; {await _hint(records, request_id)}")
    worker, begin, finish = spooled
    if finish is None:
        began = instant(begin.ts_us) if begin else "before"
        raise NotFound(
            f"request {request_id!r} began {began} on worker '{worker}' and has not ended there;"
            " look again when it has, or see whether the worker is alive"
        )
    click.echo(f"not stored yet; this is from the spool of worker '{worker}'", err=True)
    told = StoredRecord(
        record=finish.record, detail=finish.detail, attempts=finish.attempts, lines=finish.lines
    )
    return told, (), False


async def _hint(records: RecordReader, request_id: str) -> str:
    made_ms = ulid_ms(request_id)
    if made_ms is None:
        return "see that the id is whole, or give a longer part of its beginning"
    made = instant(made_ms * 1000)
    if not await records.page(RecordFilter(until_us=(made_ms + 1) * 1000), limit=1):
        return f"it is of {made}, and nothing of then is kept any more"
    return f"it is of {made}; see that this is the host, and the state directory, that served it"


def _hex(document: dict[str, object]) -> dict[str, object]:
    return {
        name: value.hex() if isinstance(value, bytes) else value for name, value in document.items()
    }


def _parts(stored: StoredRecord) -> dict[str, object]:
    return {
        "attempts": msgspec.to_builtins(stored.attempts),
        "lines": msgspec.to_builtins(stored.lines),
        "stages": [
            {"stage": stage.stage, "start_us": stage.start_us, "dur_us": stage.dur_us}
            for stage in stored.detail.stages
        ],
    }


def _story(stored: StoredRecord) -> list[str]:
    record = stored.record
    when = datetime.fromtimestamp(record.ts_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    cost = "cost unknown" if record.cost_nano is None else f"${usd_text(record.cost_nano)}"
    who = f"{record.tenant_id}/{record.feature}"
    where = f"{record.model_requested} -> {record.model_response or record.target or '-'}"
    error = f"  error: {record.error_code}" if record.error_code else ""
    took = f"{record.latency_us / 1000:.1f} ms"
    lines = [
        f"{record.request_id}  {record.status}  {who}  {when}  config {record.config_seq}",
        f"{where}  {cost}  {took}  replay: {record.replay}{error}",
        *_prompt(stored),
    ]
    if stored.detail.shadowed:
        lines.append(f"only counted: {', '.join(stored.detail.shadowed)} would have refused it")
    lines += [
        f"{stage.start_us / 1000:9.1f} ms  {stage.stage:<14} {stage.dur_us / 1000:.1f}"
        for stage in stored.detail.stages
        if stage.stage != "call"
    ]
    lines += [_attempt(record, attempt) for attempt in stored.attempts]
    return lines


def _around(record: RequestRecord, trace: Trace | None, spans: Sequence[AppSpan]) -> Iterator[str]:
    """Tell what the application did around a request, by its own clock."""
    if trace is None:
        return
    for it in spans:
        depth = len(list(islice(trace.around(it.span_id), DEEPEST)))
        began_ms, took_ms = (it.ts_us - record.ts_us) / 1000, (it.end_us - it.ts_us) / 1000
        told = f"{_plain(it.name)}  {took_ms:.1f}  {_plain(it.service)}"
        yield f"{began_ms:9.1f} ms {'  ' * depth}{told}"
    if len(trace.spans) > len(spans):
        yield f"and {len(trace.spans) - len(spans):,} more spans of the application"


def _retrieved(found: Sequence[Retrieved]) -> Iterator[str]:
    if found:
        scores = ("" if it.score is None else f" {it.score:.4g}" for it in found)
        words = (f"{_plain(it.doc_id)}{score}" for it, score in zip(found, scores, strict=True))
        yield "retrieved  " + " · ".join(words)


def _plain(text: str) -> str:
    """Take from an application's text what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _built(told: Annotation | AppSpan) -> dict[str, object]:
    return msgspec.to_builtins(told, builtin_types=(bytes,))


def _annotation(said: Annotation) -> str:
    score = "" if said.score is None else f"  {said.score:g}"
    label = f"  {said.label}" if said.label else ""
    author = f" {said.author}" if said.author else ""
    version = f", version {said.version}" if said.version else ""
    return f"{said.kind}  {said.name}{score}{label}  by {said.source}{author}{version}"


def _prompt(stored: StoredRecord) -> list[str]:
    use = stored.detail.prompt
    if use is None:
        return []
    label = f"label {use.label}" if use.label else "by its number"
    scope = f" in scope {use.scope}" if use.scope else ""
    which = f"{use.name}@{use.version}  hash {use.hash[:SHORT_HASH]}"
    old = ", maybe old" if use.stale else ""
    return [f"prompt {which}  {label}{scope}  {use.reason}, from {use.source}{old}"]


def _attempt(record: RequestRecord, attempt: Attempt) -> str:
    began_ms = (attempt.started_us - record.ts_us) / 1000
    said = f"ERROR {attempt.error_code}" if attempt.error_code else _usage(attempt)
    first = f"  first token {attempt.ttft_us / 1000:.0f}" if attempt.ttft_us is not None else ""
    return (
        f"{began_ms:9.1f} ms  attempt {attempt.n}      {attempt.dur_us / 1000:.1f}"
        f"  {attempt.target}  {said}{first}"
    )


def _usage(attempt: Attempt) -> str:
    if attempt.input_tokens is None or attempt.output_tokens is None:
        return "usage unknown"
    cached = f" ({attempt.cached_tokens:,} cached)" if attempt.cached_tokens else ""
    return f"{attempt.input_tokens:,} in{cached}  {attempt.output_tokens:,} out"

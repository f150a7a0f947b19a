"""`trimtab trace` and `trimtab tail`: what happened in a call, and what happens now."""

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from trimtab import wiring
from trimtab.cli.output import author, print_json
from trimtab.domain.annotation import Annotation, latest
from trimtab.domain.change import Source
from trimtab.domain.errors import NotFound, RecordErased
from trimtab.domain.money import usd_text
from trimtab.domain.prompt import SHORT_HASH
from trimtab.domain.record import Attempt, ContentState, RequestRecord
from trimtab.store.base import RecordFilter, StoredRecord

POLL_S = 0.5
PAGE = 200


@click.command()
@click.argument("request_id")
@click.option(
    "--content", is_flag=True, help="Print what was sent and answered, too; the audit notes it."
)
@click.option("--home", type=click.Path(path_type=Path), help="State directory.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def trace(request_id: str, home: Path | None, *, content: bool, as_json: bool) -> None:
    """Show one request: verdict, waterfall, usage and cost. A unique prefix of the id is enough.

    Example: trimtab trace r_01KQ2Z61CT
    """
    asyncio.run(_trace(request_id, wiring.home(home), content=content, as_json=as_json))


@click.command()
@click.argument("words", nargs=-1)
@click.option("--home", type=click.Path(path_type=Path), help="State directory.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line a request.")
def tail(words: tuple[str, ...], home: Path | None, *, as_json: bool) -> None:
    """Follow new requests as they are recorded, until interrupted.

    Example: trimtab tail tenant:acme status:error
    """
    where = wiring.parse_filter(" ".join(words))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_tail(where, wiring.home(home), as_json=as_json))


async def _trace(request_id: str, home: Path, *, content: bool, as_json: bool) -> None:
    records = wiring.records(home)
    stored = await records.find(request_id)
    if stored is None:
        raise NotFound(
            f"request {request_id!r} is not stored; if it is seconds old, try again, and look in"
            " `trimtab tail`"
        )
    texts: dict[str, str] = {}
    record = stored.record
    annotations = await records.annotations(record.request_id)
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
    if as_json:
        document = msgspec.to_builtins(stored.record, builtin_types=(bytes,))
        told = {"annotations": [_hex(_built(it)) for it in annotations]}
        print_json({**_hex(document), **_parts(stored), **told, **texts})
    else:
        story = [*_story(stored), *map(_annotation, latest(annotations))]
        click.echo("\n".join(story))
        for name, text in texts.items():
            click.echo(f"\n{name}\n{text}")


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


def _built(annotation: Annotation) -> dict[str, object]:
    return msgspec.to_builtins(annotation, builtin_types=(bytes,))


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


async def _tail(where: RecordFilter, home: Path, *, as_json: bool) -> None:
    records = wiring.records(home)
    newest = await records.page(where, limit=1)
    seen = {record.request_id for record in newest}
    since_us = newest[0].ts_us if newest else 0
    while True:
        fresh = await records.page(
            msgspec.structs.replace(where, since_us=max(since_us, where.since_us or 0)),
            limit=PAGE,
        )
        for record in reversed(fresh):
            if record.request_id not in seen:
                _print(record, as_json=as_json)
        if fresh:
            # Requests end in another order than they began: look a little further back.
            since_us = max(since_us, fresh[0].ts_us - 60_000_000)
            seen = (
                {record.request_id for record in fresh} | seen
                if len(seen) < PAGE * 50
                else {record.request_id for record in fresh}
            )
        await asyncio.sleep(POLL_S)


def _print(record: RequestRecord, *, as_json: bool) -> None:
    if as_json:
        print_json(_hex(msgspec.to_builtins(record, builtin_types=(bytes,))), indent=None)
        return
    when = datetime.fromtimestamp(record.ts_us / 1e6, UTC).strftime("%H:%M:%S")
    cost = "-" if record.cost_nano is None else f"${usd_text(record.cost_nano)}"
    click.echo(
        f"{when}  {record.request_id}  {record.status:<9} {record.tenant_id}/{record.feature}"
        f"  {record.model_requested}  {record.latency_us / 1000:.0f} ms  {cost}"
        + (f"  {record.error_code}" if record.error_code else "")
    )

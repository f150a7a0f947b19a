"""Samples of ragas: rows of `user_input`, `reference` and contexts, as JSON lines or CSV."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from trimtab.evals.case import Case
from trimtab.evals.neighbours.base import (
    Adapter,
    Document,
    Reading,
    as_list,
    as_map,
    expected_from,
    input_of,
    messages_of,
    rows,
    stem_of,
    text_of,
    write_rows,
)

_ANSWERED = ("response", "multi_responses", "reference_tool_calls", "rubrics", "reference_topics")
_LISTS = ("retrieved_contexts", "reference_contexts")
_KNOWN = ("user_input", "reference", *_LISTS, *_ANSWERED)
_ROLES = {"human": "user", "ai": "assistant"}
_TYPES = {role: kind for kind, role in _ROLES.items()}


def parse(text: str, path: str) -> Document:
    """Read JSON lines."""
    return _document(rows(text, path), path)


def parse_csv(text: str, path: str) -> Document:
    """Read CSV; lists in it are JSON."""
    return _document(_csv_rows(text, path), path)


def form(document: Document) -> str:
    """Write JSON lines."""
    return write_rows(map(_row, document.cases))


def form_csv(document: Document) -> str:
    """Write CSV."""
    out = io.StringIO()
    head = ("user_input", "retrieved_contexts", "reference")
    writer = csv.writer(out)
    writer.writerow(head)
    for case in document.cases:
        row = _row(case)
        cells = [row.get(it, "") for it in head]
        writer.writerow(it if isinstance(it, str) else json.dumps(it) for it in cells)
    return out.getvalue()


ADAPTER = Adapter("ragas", ".jsonl", parse, form)
CSV_ADAPTER = Adapter("ragas-csv", ".csv", parse_csv, form_csv)


def _document(found: Iterable[tuple[str, Mapping[str, Any]]], path: str) -> Document:
    reading = Reading(path)
    for member, row in found:
        reading.only(row, _KNOWN, member)
        for name in _ANSWERED:
            if row.get(name):
                reading.lose(f"{member}.{name}", "is no part of a case", "run the suite for it")
        given: object = row.get("user_input")
        asked = {"question": given} if isinstance(given, str) else _talk(as_list(given))
        if asked is None:
            reading.refuse(member, "does not end with what a human says; fix `user_input`")
        contexts = row.get("retrieved_contexts") or row.get("reference_contexts")
        members = {"input": asked, "expected": expected_from(row.get("reference"))}
        reading.add({**members, "contexts": contexts or None}, None, member)
    return reading.document(stem_of(path))


def _talk(messages: list[Any]) -> dict[str, Any] | None:
    said = [
        {"role": _ROLES.get(kind, kind), "content": as_map(it).get("content")}
        for it in messages
        if isinstance(kind := as_map(it).get("type"), str)
    ]
    return input_of(said) if len(said) == len(messages) else None


def _row(case: Case) -> dict[str, Any]:
    messages = messages_of(case.input)
    asked: object = text_of(case.input)
    if messages is not None:
        # A talk has types where we have roles, and words alone.
        talk = [
            {"type": _TYPES.get(role, role), "content": it["content"]}
            for it in map(as_map, messages)
            if isinstance(role := it.get("role"), str) and "content" in it
        ]
        whole = len(talk) == len(messages) > 1
        asked = talk if whole else case.question
    row: dict[str, Any] = {"user_input": asked}
    if case.contexts:
        row["retrieved_contexts"] = list(case.contexts)
    if case.expected is not None:
        row["reference"] = case.accepted[0] if case.accepted else text_of(case.expected)
    return row


def _csv_rows(text: str, path: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    reading = Reading(path)
    try:
        table = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
        for row in table:
            member = f"line {table.line_num}"
            cells = {k: it for k, it in row.items() if it or (it == "" and k == "user_input")}
            if None in row:
                reading.refuse(member, "has more cells than the head; fix it")
            yield member, {k: _cell(k, it, member, reading) for k, it in cells.items()}
    except csv.Error as exc:
        reading.refuse("", f"is no CSV ({exc}); fix it")


def _cell(name: str, written: str, member: str, reading: Reading) -> object:
    is_talk = name == "user_input" and written.startswith("[{")
    if name not in _LISTS and not is_talk:
        return written
    try:
        found: object = json.loads(written)
    except ValueError:
        if is_talk:
            return written
        reading.refuse(f"{member}.{name}", "is no JSON list; export it as JSON lines")
    return found

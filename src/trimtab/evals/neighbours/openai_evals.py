"""Samples of OpenAI's evals: JSON lines of `input` and `ideal`."""

from typing import Any

import msgspec

from trimtab.evals.case import Case
from trimtab.evals.neighbours.base import (
    OURS,
    Adapter,
    Document,
    Reading,
    as_list,
    beside,
    expected_from,
    input_of,
    messages_of,
    rows,
    stem_of,
    text_of,
    write_rows,
)


def parse(text: str, path: str) -> Document:
    """Read samples."""
    reading = Reading(path)
    for member, row in rows(text, path):
        reading.only(row, ("id", "input", "ideal", "metadata"), member)
        said = _said(row)
        if said["input"] is None:
            reading.refuse(member, "does not end with what a user says; fix `input`")
        reading.add({**said, "id": row.get("id")}, row.get("metadata"), member)
    return reading.document(stem_of(path))


def form(document: Document) -> str:
    """Write samples. An input that is no conversation is said as JSON."""
    return write_rows(map(_row, document.cases))


ADAPTER = Adapter("openai-evals", ".jsonl", parse, form)


def _said(row: dict[str, Any]) -> dict[str, Any]:
    given: object = row.get("input")
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else as_list(given)
    return {"input": input_of(messages), "expected": expected_from(row.get("ideal"))}


def _row(case: Case) -> dict[str, Any]:
    messages = messages_of(case.input)
    row: dict[str, Any] = {
        "input": messages or [{"role": "user", "content": text_of(case.input)}],
    }
    if case.expected is not None:
        expected = msgspec.to_builtins(case.expected)
        row["ideal"] = expected if case.accepted else text_of(expected)
    return {**row, "metadata": {OURS: beside(case, _said(row))}}

"""Datasets of LangSmith: JSON lines of `inputs`, `outputs` and `metadata`."""

from typing import Any

import msgspec

from trimtab.evals.case import Case
from trimtab.evals.neighbours.base import (
    OURS,
    Adapter,
    Document,
    Reading,
    as_map,
    beside,
    expected_from,
    input_from,
    rows,
    stem_of,
    write_rows,
)

ANSWER = "answer"
_ANSWERS = (ANSWER, "output", "expected", "reference", "completion")
_STAMPS = ("created_at", "modified_at", "dataset_id", "source_run_id")
_KNOWN = ("id", "name", "inputs", "outputs", "metadata", "split", *_STAMPS)


def parse(text: str, path: str) -> Document:
    """Read a dataset."""
    reading = Reading(path)
    for member, row in rows(text, path):
        reading.only(row, _KNOWN, member)
        if not isinstance(row.get("inputs"), dict):
            reading.refuse(member, "has no `inputs`; export it as JSON lines")
        given = {**_said(row), "id": row.get("name") or row.get("id")}
        reading.add(given, row.get("metadata"), member)
    return reading.document(stem_of(path))


def form(document: Document) -> str:
    """Write a dataset."""
    return write_rows(map(_row, document.cases))


ADAPTER = Adapter("langsmith", ".jsonl", parse, form)


def _said(row: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"input": input_from(row["inputs"])}
    outputs, split = as_map(row.get("outputs")), row.get("split")
    if outputs:
        [(name, value), *more] = outputs.items()
        alone = not more and name in _ANSWERS
        said["expected"] = expected_from(value) if alone else outputs
    if split:
        said["tags"] = [split] if isinstance(split, str) else split
    return said


def _row(case: Case) -> dict[str, Any]:
    row: dict[str, Any] = {"inputs": case.input}
    if case.expected is not None:
        expected = msgspec.to_builtins(case.expected)
        row["outputs"] = expected if isinstance(expected, dict) else {ANSWER: expected}
    if case.tags:
        row["split"] = list(case.tags)
    return {**row, "metadata": {OURS: beside(case, _said(row))}}

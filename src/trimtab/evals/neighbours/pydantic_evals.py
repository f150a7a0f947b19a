"""Datasets of pydantic-evals: YAML of `cases` and `evaluators`."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.yaml_tree import Faults, anything, read_tree
from trimtab.evals.case import Case
from trimtab.evals.neighbours.base import (
    OURS,
    Adapter,
    Document,
    Reading,
    as_list,
    as_map,
    beside,
    expected_from,
    input_from,
)
from trimtab.evals.neighbours.yaml_text import write_yaml

MOST_CHARACTERS = 8 * 2**20

_CASE = ("name", "inputs", "expected_output", "metadata", "evaluators")


def parse(text: str, path: str) -> Document:
    """Read a dataset."""
    top = read_yaml(text, path)
    reading = Reading(path)
    reading.only(top, ("name", "cases", "evaluators", "$schema", "report_evaluators"))
    for number, it in enumerate(as_list(top.get("evaluators"))):
        _metric(it, f"evaluators[{number}]", reading)
    for number, it in enumerate(as_list(top.get("cases"))):
        row, member = as_map(it), f"cases[{number}]"
        if "inputs" not in row:
            reading.refuse(member, "has no `inputs`; write them")
        reading.only(row, _CASE, member)
        said = _said(row, reading, member)
        reading.add({**said, "id": row.get("name")}, row.get("metadata"), member)
    name: object = top.get("name")
    return reading.document(name if isinstance(name, str) else "")


def form(document: Document) -> str:
    """Write a dataset."""
    return write_yaml(
        {
            "name": document.name,
            "cases": [_row(it) for it in document.cases],
            "evaluators": [
                made for name, it in document.metrics.items() for made in _evaluator(name, it)
            ],
        }
    )


ADAPTER = Adapter("pydantic-evals", ".yaml", parse, form)


def read_yaml(text: str, path: str) -> dict[str, Any]:
    """Read a document of YAML whose top is a map. Raises `SettingsInvalid`."""
    if len(text) > MOST_CHARACTERS:
        raise SettingsInvalid(f"'{path}' has more than {MOST_CHARACTERS} characters; split it")
    faults = Faults(path)
    top = read_tree(text, faults, "name: my-suite")
    if top is None or faults.found:
        raise SettingsInvalid(faults.text())
    return as_map(anything(top))


def _said(row: Mapping[str, Any], reading: Reading, member: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "input": input_from(row["inputs"]),
        "expected": expected_from(row.get("expected_output")),
    }
    contains = list[str]()
    for number, it in enumerate(as_list(row.get("evaluators"))):
        name, given = _spec(it)
        if name == "Contains" and isinstance(given.get("value"), str) and len(given) == 1:
            contains.append(given["value"])
        elif (name, given) == ("EqualsExpected", {}):
            reading.metrics.setdefault("exact_match", {})
        else:
            reading.lose(f"{member}.evaluators[{number}]", f"{name} is no check of a case here")
    return {**said, **({"checks": {"contains": contains}} if contains else {})}


def _metric(it: object, member: str, reading: Reading) -> None:
    name, given = _spec(it)
    value: object = given.get("value", given.get("rubric", given.get("seconds")))
    if (name, given) == ("EqualsExpected", {}):
        reading.metrics.setdefault("exact_match", {})
    elif name == "LLMJudge" and isinstance(value, str) and "rubric" not in reading.metrics:
        reading.metrics["rubric"] = {"rubric": value}
        reading.only(given, ("rubric", "value"), member)
    elif name == "MaxDuration" and isinstance(value, int | float) and value > 0:
        reading.metrics["latency_s"] = {"max": value}
    else:
        reading.lose(member, f"{name} is no metric here")


def _spec(it: object) -> tuple[str, dict[str, Any]]:
    """Read an evaluator in any of its three forms; a lone argument is called `value`."""
    if isinstance(it, str):
        return it[:64], {}
    [(name, given), *_] = [*as_map(it).items(), ("nothing", None)]
    if name == "name" and "arguments" in as_map(it):
        name, given = as_map(it)["name"], as_map(it)["arguments"]
    alone: dict[str, Any] = {} if given is None or given == {} else {"value": given}
    return str(name)[:64], as_map(given) or alone


def _row(case: Case) -> dict[str, Any]:
    row: dict[str, Any] = {"name": case.id, "inputs": case.input}
    if case.expected is not None:
        row["expected_output"] = msgspec.to_builtins(case.expected)
    if case.checks.contains:
        row["evaluators"] = [{"Contains": {"value": it}} for it in case.checks.contains]
    said = {"id": case.id, **_said(row, Reading(""), "")}
    return {**row, "metadata": {OURS: beside(case, said)}}


def _evaluator(name: str, given: Mapping[str, Any]) -> Iterator[object]:
    if "metric" in given or "python" in given:
        return
    if name == "exact_match":
        yield "EqualsExpected"
    elif name == "rubric":
        yield {"LLMJudge": {"rubric": given["rubric"]}}
    elif name == "latency_s" and "max" in given:
        yield {"MaxDuration": {"seconds": given["max"]}}

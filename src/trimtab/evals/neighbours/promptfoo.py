"""Configurations of promptfoo: YAML of `tests`, each with `vars` and assertions."""

from collections.abc import Iterator, Mapping
from typing import Any

from trimtab.evals.case import Case, Kind
from trimtab.evals.neighbours.base import (
    OURS,
    Adapter,
    Document,
    Reading,
    as_list,
    as_map,
    beside,
    expected_from,
)
from trimtab.evals.neighbours.pydantic_evals import read_yaml
from trimtab.evals.neighbours.yaml_text import write_yaml

_TOP = ("description", "tests", "defaultTest", "redteam", "tags")
_TEST = ("description", "vars", "assert", "metadata")
_ASSERTION = frozenset(("type", "value", "threshold", "weight", "metric"))
_FILE = "file://"

SCORED = {
    "context-faithfulness": "faithfulness",
    "answer-relevance": "answer_relevancy",
    "context-recall": "context_recall",
    "similar": "embedding_similarity",
}
"""Assertions with a threshold, and the metrics whose floor that is."""

CEILINGS = {"latency": ("latency_s", 1000), "cost": ("cost_usd", 1)}
"""Assertions with a ceiling: the metric, and how many of theirs are one of its unit."""

CHECKS = {
    "contains": "contains",
    "contains-all": "contains",
    "not-contains": "not_contains",
    "not-contains-any": "not_contains",
}
"""Assertions on texts that single cases have, and checks of that meaning."""


def parse(text: str, path: str) -> Document:
    """Read a configuration. What asks a model, prompts and providers, is no part of a suite."""
    top = read_yaml(text, path)
    reading = Reading(path)
    reading.only(top, _TOP)
    defaults = as_map(top.get("defaultTest"))
    reading.only(defaults, ("vars", "assert"), "defaultTest")
    for member, it in _assertions(defaults, "defaultTest"):
        if not _metric(it, reading):
            _lost(member, it, reading)
    if not isinstance(top.get("tests"), list):
        reading.refuse("tests", "is no list here; give the file that has them")
    for number, it in enumerate(as_list(top["tests"])):
        row, member = as_map(it), f"tests[{number}]"
        reading.only(row, _TEST, member)
        said = _said(row, reading, member)
        said["input"] = {**as_map(defaults.get("vars")), **said["input"]}
        reading.add({**said, "id": row.get("description")}, row.get("metadata"), member)
    description: object = top.get("description")
    kind = Kind.ADVERSARIAL if "redteam" in top else Kind.GOLDEN
    return reading.document(description if isinstance(description, str) else "", kind)


def form(document: Document) -> str:
    """Write a configuration, but for prompts and providers."""
    top: dict[str, Any] = {"description": document.name}
    if document.kind is Kind.ADVERSARIAL:
        top["redteam"] = {}
    asserted = [made for name, it in document.metrics.items() for made in _made(name, it)]
    if asserted:
        top["defaultTest"] = {"assert": asserted}
    equal = "exact_match" in document.metrics
    return write_yaml({**top, "tests": [_row(it, equal=equal) for it in document.cases]})


ADAPTER = Adapter("promptfoo", ".yaml", parse, form)


def _assertions(row: Mapping[str, Any], member: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, it in enumerate(as_list(row.get("assert"))):
        yield f"{member}.assert[{number}]", as_map(it)


def _said(row: Mapping[str, Any], reading: Reading, member: str) -> dict[str, Any]:
    checks: dict[str, Any] = {}
    said: dict[str, Any] = {"input": as_map(row.get("vars"))}
    for place, it in _assertions(row, member):
        if _check(it, checks):
            continue
        value = expected_from(it.get("value"))
        wants = it.get("type") in ("equals", "similar", "context-recall")
        if wants and value is not None and said.setdefault("expected", value) == value:
            if it["type"] == "equals":
                reading.metrics.setdefault("exact_match", {})
                continue
        elif wants:
            reading.lose(place, "expects another text than the assertions before it")
            continue
        if not _metric(it, reading):
            _lost(place, it, reading)
    return {**said, **({"checks": checks} if checks else {})}


def _check(it: Mapping[str, Any], checks: dict[str, Any]) -> bool:
    """Take an assertion as a check of its case, if it is one."""
    kind, value = it.get("type"), it.get("value")
    texts = [value] if isinstance(value, str) else as_list(value)
    if kind in CHECKS and texts and all(isinstance(text, str) and text for text in texts):
        checks.setdefault(CHECKS[kind], []).extend(texts)
    elif kind == "regex" and isinstance(value, str) and "regex" not in checks:
        checks["regex"] = value
    elif kind in ("is-refusal", "not-is-refusal") and "refuses" not in checks:
        checks["refuses"] = kind == "is-refusal"
    else:
        return False
    return True


def _metric(it: Mapping[str, Any], reading: Reading) -> bool:
    """Take an assertion as a metric of the suite, if it is one, and not there otherwise."""
    named = _named(it)
    if named is None:
        return False
    name, options = named
    return reading.metrics.setdefault(name, options) == options


def _named(it: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    kind: object = it.get("type")
    value: Any = it.get("value")
    threshold = _number(it.get("threshold"))
    if it.keys() - _ASSERTION or not isinstance(kind, str):
        return None
    floor = {"floor": threshold} if threshold is not None and 0 <= threshold <= 1 else {}
    if kind in SCORED:
        return SCORED[kind], floor
    if kind in CEILINGS and threshold is not None and threshold > 0:
        name, unit = CEILINGS[kind]
        return name, {"max": threshold / unit}
    if kind == "llm-rubric" and isinstance(value, str) and value:
        return "rubric", {"rubric": value, **floor}
    if kind == "is-json" and isinstance(value, dict | str):
        return "json_schema", {"schema": _unfiled(it["value"])}
    return None


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _unfiled(schema: object) -> object:
    return schema.removeprefix(_FILE) if isinstance(schema, str) else schema


def _lost(member: str, it: Mapping[str, Any], reading: Reading) -> None:
    kind = str(it.get("type", "an assertion"))[:64]
    reading.lose(member, f"'{kind}' is no metric here, or is there with other options")


def _row(case: Case, *, equal: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"description": case.id, "vars": case.input}
    checks = case.checks
    asserted: list[dict[str, Any]] = [{"type": "contains", "value": it} for it in checks.contains]
    asserted += [{"type": "not-contains", "value": it} for it in checks.not_contains]
    if checks.regex is not None:
        asserted.append({"type": "regex", "value": checks.regex})
    if checks.refuses is not None:
        asserted.append({"type": "is-refusal" if checks.refuses else "not-is-refusal"})
    if equal and isinstance(case.expected, str):
        asserted.append({"type": "equals", "value": case.expected})
    if asserted:
        row["assert"] = asserted
    said = {"id": case.id, **_said(row, Reading(""), "")}
    return {**row, "metadata": {OURS: beside(case, said)}}


def _made(name: str, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Write a metric as an assertion on every test, if there is one of its kind."""
    if "metric" in given or "python" in given:
        return
    threshold = {"threshold": given["floor"]} if "floor" in given else {}
    for kind, (ours, unit) in CEILINGS.items():
        if name == ours and "max" in given:
            yield {"type": kind, "threshold": given["max"] * unit}
    if name in ("faithfulness", "answer_relevancy"):
        [kind] = [kind for kind, ours in SCORED.items() if ours == name]
        yield {"type": kind, **threshold}
    elif name == "rubric":
        yield {"type": "llm-rubric", "value": given["rubric"], **threshold}
    elif name == "json_schema":
        schema: object = given["schema"]
        value = f"{_FILE}{schema}" if isinstance(schema, str) else schema
        yield {"type": "is-json", "value": value}

"""Manifests: YAML files that name a suite's cases, metrics and rules; all faults told at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.yaml_tree import Faults, Members, Wrong, anything, is_null, read_tree
from trimtab.evals.case import Case, Kind, shuffled
from trimtab.evals.dataset import MOST_BYTES, Placed, check_unique, read_cases
from trimtab.evals.explain import explained
from trimtab.evals.metrics.base import Direction, Embedder, Metric, Parts, Ragas
from trimtab.evals.metrics.table import METRICS, make_metric
from trimtab.evals.suite import (
    GateSetting,
    JudgeSetting,
    MetricSetting,
    Repeats,
    Suite,
    Target,
)

S = TypeVar("S", bound=Struct)


class Written(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The members of a manifest, as written, but for metrics."""

    schema: Literal[1] = 1
    name: str
    kind: Kind = msgspec.field(name="class", default=Kind.GOLDEN)
    cases: tuple[str, ...]
    target: Target | None = None
    judge: JudgeSetting | None = None
    metrics: Any = None
    slices: tuple[str, ...] = ()
    gate: GateSetting = GateSetting()
    repeats: Repeats = Repeats()
    quarantine: dict[str, str] = {}
    shuffle_choices: bool = True


_SETTINGS = frozenset(field.name for field in msgspec.structs.fields(MetricSetting)) - {
    "name",
    "options",
}


def read_suite(path: Path) -> Suite:
    """Read a manifest and the files of cases that it names, which lie beside it.

    Raises:
        SettingsInvalid: one line `file:line: member: what; remedy` for each fault.
    """
    faults = Faults(str(path))
    top = read_tree(_text(path), faults, "name: my-suite")
    written = None if top is None else _convert(top, Written, faults)
    settings = () if top is None else _metrics(top, path.parent, faults)
    if written is not None:
        _check(written, settings, faults)
    if written is None or faults.found:
        raise SettingsInvalid(faults.text())
    placed = _cases(path.parent, written.cases)
    found = [it.case for it in placed]
    return Suite(
        file=str(path),
        name=written.name,
        kind=written.kind,
        target=written.target,
        judge=written.judge,
        metrics=(*settings, *_checks(found, settings)),
        slices=written.slices,
        gate=written.gate,
        repeats=written.repeats,
        quarantine=written.quarantine,
        cases=tuple(map(shuffled, found) if written.shuffle_choices else found),
        places={it.case.id: (it.file, it.line) for it in placed},
        lines=faults.lines,
    )


def make_metrics(
    suite: Suite, embedder: Embedder | None = None, ragas: Ragas | None = None
) -> dict[str, Metric]:
    """Make the metrics of a suite, by their names in it.

    Raises:
        SettingsInvalid: one cannot be made any more, as a file that it needs was changed.
    """
    faults = Faults(suite.file, lines=dict(suite.lines))
    parts = Parts(folder=Path(suite.file).parent, embedder=embedder, ragas=ragas)
    made = {it.name: _made(it, parts, faults) for it in suite.metrics}
    if faults.found:
        raise SettingsInvalid(faults.text())
    return {name: it for name, it in made.items() if it is not None}


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise SettingsInvalid(
            f"'{path}' cannot be read ({exc.strerror}); look at its name"
        ) from exc
    if len(raw) > MOST_BYTES:
        raise SettingsInvalid(f"'{path}' has more than {MOST_BYTES} bytes; split it")
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise SettingsInvalid(f"{path}:{line}: this is not UTF-8; save it as UTF-8") from exc


def _convert(node: Members, kind: type[S], faults: Faults) -> S | None:
    given = {name: anything(it) for name, it in node.members.items() if not is_null(it)}
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    try:
        return msgspec.convert(given, type=kind, strict=True)
    except msgspec.ValidationError as exc:
        path, what = explained(str(exc), known)
        faults.add(path, what)
    return None


def _metrics(top: Members, folder: Path, faults: Faults) -> tuple[MetricSetting, ...]:
    node = top.members.get("metrics")
    if node is None or is_null(node):
        return ()
    if not isinstance(node, Members):
        faults.add("metrics", "is not a map; write `exact_match: {floor: 0.9}`")
        return ()
    read = list[MetricSetting]()
    for name, it in node.members.items():
        if not isinstance(it, Members) and not is_null(it):
            faults.add(it.path, "is not a map; write {floor: 0.9}, or {}")
            continue
        members = it.members.items() if isinstance(it, Members) else ()
        setting = _setting(name, {key: anything(at) for key, at in members}, faults)
        if setting is not None:
            read.append(setting)
            _check_metric(setting, Parts(folder=folder), faults)
    return tuple(read)


def _setting(name: str, given: Mapping[str, Any], faults: Faults) -> MetricSetting | None:
    common = {key: it for key, it in given.items() if key in _SETTINGS}
    options = {key: it for key, it in given.items() if key not in _SETTINGS}
    members = {"metric": name, **common, "name": name, "options": options}
    try:
        return msgspec.convert(members, type=MetricSetting, strict=True)
    except msgspec.ValidationError as exc:
        path, what = explained(str(exc))
        faults.add(f"metrics.{name}.{path}".strip("."), what)
    return None


def _check_metric(setting: MetricSetting, parts: Parts, faults: Faults) -> None:
    """Make it once, so that what is wrong with its options is known before a run."""
    metric, path = _made(setting, parts, faults), f"metrics.{setting.name}"
    if metric is None:
        return
    lower = metric.about.direction is Direction.LOWER
    if lower and (setting.floor is not None or setting.floors):
        faults.add(path, "is better when it is lower, and has a floor; write `max`")
    if not lower and setting.max is not None:
        faults.add(f"{path}.max", "is for what is better when it is lower; write `floor`")


def _made(setting: MetricSetting, parts: Parts, faults: Faults) -> Metric | None:
    path = f"metrics.{setting.name}"
    try:
        return make_metric(setting.metric, setting.options, parts, python=setting.python)
    except msgspec.ValidationError as exc:
        member, what = explained(str(exc))
        faults.add(f"{path}.{member}".strip("."), what)
    except Wrong as exc:
        faults.add(path, str(exc))
    return None


def _check(written: Written, settings: Sequence[MetricSetting], faults: Faults) -> None:
    target = written.target
    if target is not None:
        kinds = (target.prompt or target.model, target.python, target.http, target.command)
        if sum(map(bool, kinds)) != 1:
            faults.add("target", "is one of {prompt, model}, {python}, {http} and {command}")
    if not written.cases:
        faults.add("cases", "names no file; write [cases.jsonl]")
    if written.repeats.max < written.repeats.first:
        faults.add("repeats.max", "is less than `first`; write at least as many")
    for setting in settings:
        if setting.python is not None and setting.metric in METRICS:
            faults.add(f"metrics.{setting.name}", "is the name of a metric of ours; choose another")


def _cases(folder: Path, names: Sequence[str]) -> list[Placed]:
    placed, told = list[Placed](), list[str]()
    for name in names:
        path = folder / name
        try:
            placed += read_cases(_text(path), str(path))
        except SettingsInvalid as exc:
            told.append(str(exc))
    if told:
        raise SettingsInvalid("\n".join(told))
    check_unique(placed)
    return placed


def _checks(cases: Sequence[Case], settings: Sequence[MetricSetting]) -> list[MetricSetting]:
    """Add the metrics that checks of cases ask for, and the manifest does not name."""
    named = {it.metric for it in settings}
    asked = frozenset[str]().union(*(it.checks.given for it in cases))
    return [MetricSetting(name=it, metric=it) for it in sorted(asked - named)]

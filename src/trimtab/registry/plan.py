"""What publishing some files would do: shown before it is done, and what it is done by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter

from semver import Version

from trimtab.control.prompts import Prompts
from trimtab.domain.errors import (
    BumpTooSmall,
    LintFailed,
    SettingsInvalid,
    TrimtabError,
    VersionImmutable,
)
from trimtab.domain.prompt import PromptVersion
from trimtab.registry.finding import Finding, Level
from trimtab.registry.format import PromptFile
from trimtab.registry.jinja import names
from trimtab.registry.lint import lint
from trimtab.registry.lint_case import Surroundings
from trimtab.registry.partials import flatten
from trimtab.registry.semver import Required, check_bump


class Status(StrEnum):
    """What publishing a file would do."""

    NEW = "publish"
    SAME = "nothing"
    REFUSED = "refuse"


@dataclass(frozen=True, slots=True)
class Step:
    """What publishing one file would do, and why.

    Attributes:
        version: The version it becomes; `None` if it cannot become one.
        findings: What lint says.
        required: What changed since the version below; `None` if it was not compared.
        error: Why it is refused.
    """

    file: PromptFile
    status: Status
    version: PromptVersion | None = None
    findings: tuple[Finding, ...] = ()
    required: Required | None = None
    error: TrimtabError | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """The commit that files come from, and the folder their paths begin at."""

    commit: str
    root: str = ""


def planned(
    prompts: Prompts,
    files: Sequence[PromptFile],
    looks_secret: Callable[[str], bool],
    origin: Origin | None = None,
) -> tuple[Step, ...]:
    """Plan files; one may be made of texts that another publishes.

    Raises:
        SettingsInvalid: two files have one number, or are made of each other.
    """
    steps: list[Step] = []
    for file in _in_order(files):
        step = _step(prompts, file, looks_secret, origin)
        steps.append(step)
        if step.version is not None and step.status is Status.NEW:
            prompts = _with(prompts, step.version)
    return tuple(steps)


def _step(
    prompts: Prompts,
    file: PromptFile,
    looks_secret: Callable[[str], bool],
    origin: Origin | None,
) -> Step:
    try:
        content = flatten(file.content, file.partials, prompts.find)
    except SettingsInvalid as exc:
        return Step(file, Status.REFUSED, error=_at(file, exc))
    version = file.published_as(
        content,
        git_commit=origin.commit if origin else None,
        git_path=file.path.removeprefix(origin.root) if origin else None,
    )
    there = prompts.find(file.name, file.version)
    if there is not None and there.hash == version.hash:
        return Step(file, Status.SAME, there)
    findings = _linted(prompts, file, looks_secret)
    required, error = None, _refusal(file, prompts, findings)
    if error is None:
        try:
            required = check_bump(version, [*prompts.versions.get(file.name, {}).values()])
        except BumpTooSmall as exc:
            error = BumpTooSmall(f"{file.path}: {exc}")
    status = Status.NEW if error is None else Status.REFUSED
    return Step(file, status, version, findings, required, error)


def _linted(
    prompts: Prompts, file: PromptFile, looks_secret: Callable[[str], bool]
) -> tuple[Finding, ...]:
    newest = (prompts.newest(name) for name in prompts.versions if name != file.name)
    around = Surroundings(
        published=[*prompts.versions.get(file.name, {}).values()],
        others=[it for it in newest if it is not None],
        policy=prompts.policy,
        looks_secret=looks_secret,
        names=names,
        lookup=prompts.find,
        served=frozenset(prompts.labels.get(file.name, {})),
    )
    return tuple(lint(file, around))


def _refusal(
    file: PromptFile, prompts: Prompts, findings: Sequence[Finding]
) -> TrimtabError | None:
    """Say why a file is refused before its number is compared with what changed."""
    there = prompts.find(file.name, file.version)
    if there is not None:
        numbers = map(Version.parse, prompts.versions[file.name])
        free = max(numbers).bump_patch()
        return VersionImmutable(
            f"{file.path}: '{there.ref}' is published with hash {there.short_hash}, and this is"
            f" another content; give it a number of its own, {free} or above (R002)"
        )
    errors = [it for it in findings if it.level is Level.ERROR and it.rule != "R005"]
    lines = [f"{it.path}:{it.line}: {it.rule} {it.message}" for it in errors]
    return LintFailed("\n".join(lines)) if errors else None


def _in_order(files: Sequence[PromptFile]) -> Sequence[PromptFile]:
    """Put those first that others are made of."""
    by_ref: dict[str, PromptFile] = {}
    for file in files:
        ref = f"{file.name}@{file.version}"
        if ref in by_ref:
            raise SettingsInvalid(
                f"{file.path}: '{ref}' is in {by_ref[ref].path}, too; keep one of them"
            )
        by_ref[ref] = file
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for ref, file in by_ref.items():
        sorter.add(ref, *(it for it in file.partials.values() if it in by_ref))
    try:
        return [by_ref[ref] for ref in sorter.static_order()]
    except CycleError as exc:
        circle: Sequence[str] = exc.args[1]
        raise SettingsInvalid(
            f"prompts are made of each other: {' -> '.join(circle)}; write one of the texts out"
            " (R006)"
        ) from exc


def _with(prompts: Prompts, version: PromptVersion) -> Prompts:
    """Look at a registry as if a version were published."""
    versions = {**prompts.versions.get(version.name, {}), version.version: version}
    ordered = dict(sorted(versions.items(), key=lambda it: Version.parse(it[0])))
    return replace(prompts, versions={**prompts.versions, version.name: ordered})


def _at(file: PromptFile, exc: SettingsInvalid) -> SettingsInvalid:
    return SettingsInvalid("\n".join(f"{file.path}: {line}" for line in str(exc).splitlines()))

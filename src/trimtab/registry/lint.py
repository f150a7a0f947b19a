"""Lint of prompt files: what is well formed and still should not be published."""

from collections.abc import Callable, Iterable, Iterator

from semver import Version

from trimtab.domain.errors import BumpTooSmall, SettingsInvalid
from trimtab.domain.yaml_tree import Faults, Items, Members, Node, read_tree
from trimtab.registry import lint_text
from trimtab.registry.finding import IGNORE, Comment, Finding, heard
from trimtab.registry.format import PromptFile
from trimtab.registry.lint_case import Case, Surroundings
from trimtab.registry.partials import flatten, unfit
from trimtab.registry.semver import Bump, check_bump, next_free


def lint(file: PromptFile, around: Surroundings) -> list[Finding]:
    """Find what breaks a rule, in the order of lines, but for what comments silence.

    What no file may say (R003 is one of it) was refused by `read_file`.
    """
    case = Case(file, around)
    findings = (it for rule in RULES_OF_FILES for it in rule(case))
    return heard(findings, list(_comments(file)), file.path)


def owned(case: Case) -> Iterator[Finding]:
    """R001: somebody answers for it."""
    for member in ("owner", "description"):
        if not getattr(case.file, member):
            yield case.at("R001", "name", f"has no {member}; add one")


def immutable(case: Case) -> Iterator[Finding]:
    """R002: what is published is not edited."""
    candidate = case.candidate
    for version in case.around.published:
        if version.version == case.file.version and candidate and candidate.hash != version.hash:
            known = [Version.parse(it.version) for it in case.around.published]
            free = next_free(Bump.PATCH, Version.parse(version.version).finalize_version(), known)
            what = f"'{version.ref}' is published with another content; take {free} or above"
            yield case.at("R002", "version", what)


def bump(case: Case) -> Iterator[Finding]:
    """R005: the number says what the change is."""
    taken = any(it.version == case.file.version for it in case.around.published)
    if case.candidate is None or taken:
        return
    try:
        _ = check_bump(case.candidate, case.around.published)
    except BumpTooSmall as exc:
        yield case.at("R005", "version", str(exc))


def partials(case: Case) -> Iterator[Finding]:
    """R006: partials can be filled in."""
    content, lookup = case.file.content, case.around.lookup
    faults = list(unfit(content, case.file.partials, lookup))
    for name, what in faults:
        yield case.at("R006", f"partials.{name}", what)
    if case.flat is None and not faults:
        try:
            _ = flatten(content, case.file.partials, lookup)
        except SettingsInvalid as exc:
            yield case.at("R006", "partials", str(exc))


def gap(case: Case) -> Iterator[Finding]:
    """R007: numbers follow each other."""
    number = Version.parse(case.file.version).finalize_version()
    known = [Version.parse(it.version) for it in case.around.published]
    below = [it for it in known if it.prerelease is None and it < number]
    if below and case.file.version not in {it.version for it in case.around.published}:
        base = max(below)
        nexts = (base.bump_patch(), base.bump_minor(), base.bump_major())
        if number not in nexts:
            which = ", ".join(map(str, nexts))
            yield case.at("R007", "version", f"leaves a gap after {base}; take one of {which}")


def evals(case: Case) -> Iterator[Finding]:
    """R024: what a protected label serves can be judged."""
    protected = sorted(case.around.served & case.around.policy.protected.keys())
    if protected and not case.file.evals:
        what = f"has no evals, and {', '.join(protected)} serves it; name a dataset"
        yield case.at("R024", "name", what)


RULES_OF_FILES: Iterable[Callable[[Case], Iterator[Finding]]] = (
    *(owned, immutable, lint_text.names, bump, partials, gap),
    *(lint_text.system, lint_text.marks, lint_text.schemas, lint_text.roles, lint_text.secrets),
    *(lint_text.twins, lint_text.characters, evals),
)


def _comments(file: PromptFile) -> Iterator[Comment]:
    """Find the comments that silence a rule, and not the texts that only look like one.

    Each is replaced by a sign of its own. What then stands in a value is none.
    """
    lines = file.text.split("\n")
    matches = [(at, match) for at, line in enumerate(lines) if (match := IGNORE.search(line))]
    for at, match in matches:
        rest = lines[at][match.end("begin") :]
        lines[at] = f"{lines[at][: match.start()]}#{_sign(at)}{rest}"
    top = read_tree("\n".join(lines), Faults(file.path)) if matches else None
    values = "\n".join(_values(top)) if top is not None else ""
    for at, match in matches if top is not None else ():
        if f"#{_sign(at)}" not in values:
            alone = not lines[at][: match.start()].strip()
            yield Comment(at + 1, match.group(), alone)


def _sign(line: int) -> str:
    return f"trimtab-ignore-{line}-"


def _values(node: Node) -> Iterator[str]:
    if isinstance(node, Items):
        for item in node.items:
            yield from _values(item)
    elif isinstance(node, Members):
        for name, member in node.members.items():
            yield name
            yield from _values(member)
    else:
        yield node.text

"""Versions that keep their word: what a change of content asks of the number.

Major: a call site, or who reads the answer, may break. Minor: the model may behave otherwise.
Patch: neither, as far as a text can tell. A larger number than asked for is always right.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, cast

from semver import Version

from trimtab.domain.errors import BumpTooSmall
from trimtab.domain.prompt import FENCE, TRUST, Content, Message, PromptVersion, Variable, canonical
from trimtab.domain.yaml_tree import Faults, Members, Scalar, read_tree
from trimtab.registry.schemas import Relation, bare, compare, keywords, without_added
from trimtab.registry.words import Kind, hunks, tokens

MINOR_SHARE = 0.15
"""From this share of changed words on, a text is not the same in other words."""

MOST_NAMED = 5
MOST_SHOWN = 40


class Bump(IntEnum):
    """Which part of a version's number must grow."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3

    def __str__(self) -> str:
        return self.name.lower()


class Part(StrEnum):
    """What of a prompt a change is in."""

    KIND = "kind"
    VARIABLES = "variables"
    MODEL = "model"
    TOOLS = "tools"
    OUTPUT = "output"
    PARTIALS = "partials"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Reason:
    """A change and the bump it asks for.

    Attributes:
        what: The change in short, as `context narrowed`.
        detail: What it was and is, as `maxLength 200000 (was unlimited)`.
    """

    bump: Bump
    part: Part
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.detail}" if self.detail else self.what


@dataclass(frozen=True, slots=True)
class Required:
    """What all changes together ask for, the largest first."""

    reasons: tuple[Reason, ...] = ()

    @property
    def bump(self) -> Bump:
        """The largest of the bumps."""
        return max((it.bump for it in self.reasons), default=Bump.NONE)

    def __str__(self) -> str:
        most = [it for it in self.reasons if it.bump is self.bump]
        more = f" and {len(most) - MOST_NAMED} more" if len(most) > MOST_NAMED else ""
        return "; ".join(map(str, most[:MOST_NAMED])) + more


def required_bump(before: Content, after: Content) -> Required:
    """Tell what a change of content asks for; nothing if they are the same."""
    found = [
        *_kinds(before, after),
        *_variables(before.variables, after.variables),
        *_outputs(before, after),
        *_messages(before, after),
    ]
    if not found and before.canonical() != after.canonical():
        found.append(Reason(Bump.PATCH, Part.TEXT, "written in other words"))
    return Required(tuple(sorted(found, key=lambda it: -it.bump)))


def required_between(before: PromptVersion, after: PromptVersion) -> Required:
    """As `required_bump`, and tells of partials, which are no longer seen in a content."""
    found = required_bump(before.read(), after.read()).reasons
    partials = tuple(_partials(_partials_of(before), _partials_of(after)))
    return Required(tuple(sorted(found + partials, key=lambda it: -it.bump)))


def check_bump(candidate: PromptVersion, published: Sequence[PromptVersion]) -> Required:
    """See that a version's number keeps its word to the highest release below it.

    Pre-releases promise nothing: they are no measure for others, and are judged as the release
    they lead to. Versions are those of the candidate's name.

    Raises:
        BumpTooSmall: it promises more than its content keeps, or stands below a release that it
            could break.
    """
    number = Version.parse(candidate.version)
    known = {Version.parse(it.version): it for it in published if it.version != candidate.version}
    releases = sorted(it for it in known if it.prerelease is None)
    below = [it for it in releases if it < number]
    if not releases:
        return Required()
    if not below:
        raise BumpTooSmall(
            f"'{candidate.ref}' is below every published release; take"
            f" {next_free(Bump.MAJOR, releases[-1], known)}"
        )
    base = below[-1]
    required = required_between(known[base], candidate)
    declared = declared_bump(base, number)
    free = next_free(max(required.bump, Bump.PATCH), base, known)
    if declared < required.bump:
        raise BumpTooSmall(
            f"'{candidate.ref}' is a {declared} after {base}, and its change is {required.bump}:"
            f" {required}; take {free}"
        )
    later = [it for it in releases if it > number]
    in_between = declared is Bump.MINOR and any(it.major == number.major for it in later)
    if later and (in_between or declared is Bump.MAJOR):
        raise BumpTooSmall(
            f"'{candidate.ref}' is a {declared} below {later[0]}, which may not keep what it adds;"
            f" take {free}"
        )
    return required


def declared_bump(before: Version, after: Version) -> Bump:
    """Tell what a number says of the change from another."""
    if before.major != after.major:
        return Bump.MAJOR
    if before.minor != after.minor:
        return Bump.MINOR
    return Bump.PATCH if before != after else Bump.NONE


def next_free(bump: Bump, base: Version, known: Collection[Version]) -> Version:
    """Find the next number for a bump of a base that nobody has taken."""
    releases = [it for it in known if it.prerelease is None]
    if bump is Bump.MAJOR:
        return max([base, *releases]).bump_major()
    if bump is Bump.MINOR:
        return max([base, *(it for it in releases if it.major == base.major)]).bump_minor()
    number = base.bump_patch()
    while number in known:
        number = number.bump_patch()
    return number


def _kinds(before: Content, after: Content) -> Iterator[Reason]:
    if (before.template is None) != (after.template is None):
        kind = "messages" if after.template is None else "one text"
        yield Reason(Bump.MAJOR, Part.KIND, "kind changed", f"is {kind} now")
    if before.placeholder != after.placeholder:
        was, now = before.placeholder or "none", after.placeholder or "none"
        yield Reason(Bump.MAJOR, Part.KIND, "placeholder changed", f"{now} (was {was})")
    if before.engine is not after.engine:
        yield Reason(
            Bump.MINOR, Part.KIND, "engine changed", f"{after.engine} (was {before.engine})"
        )
    old, new = _chosen(before), _chosen(after)
    if old != new:
        yield Reason(Bump.MINOR, Part.MODEL, "model changed", f"{new} (was {old})")


def _chosen(content: Content) -> str:
    if content.model is None:
        return "none"
    return f"{content.model.id or 'any'} {canonical(content.model.params)}"


def _variables(before: Mapping[str, Variable], after: Mapping[str, Variable]) -> Iterator[Reason]:
    for name in sorted(before.keys() - after.keys()):
        yield Reason(Bump.MAJOR, Part.VARIABLES, f"{name} removed")
    for name in sorted(after.keys() - before.keys()):
        if after[name].has_default:
            yield Reason(Bump.MINOR, Part.VARIABLES, f"{name} added", "optional")
        else:
            # An optional one without a default is missing for whoever does not know of it.
            yield Reason(Bump.MAJOR, Part.VARIABLES, f"{name} added", "without a default")
    for name in sorted(before.keys() & after.keys()):
        yield from _variable(name, before[name], after[name])


def _variable(name: str, before: Variable, after: Variable) -> Iterator[Reason]:
    if after.required and not before.required:
        yield Reason(Bump.MAJOR, Part.VARIABLES, f"{name} became required")
    elif before.required and not after.required:
        yield Reason(Bump.MINOR, Part.VARIABLES, f"{name} became optional")
    elif before.has_default and not after.has_default:
        yield Reason(Bump.MAJOR, Part.VARIABLES, f"{name} lost its default")
    elif _default(before) != _default(after):
        yield Reason(Bump.MINOR, Part.VARIABLES, f"{name} has another default")
    old, new = before.json_schema, after.json_schema
    relation = compare(old, new)
    if relation is not Relation.SAME:
        bump = Bump.MAJOR if relation is Relation.NARROWED else Bump.MINOR
        yield Reason(bump, Part.VARIABLES, f"{name} {relation}", keywords(old, new))
    if before.trust is not after.trust:
        yield Reason(
            Bump.MINOR, Part.VARIABLES, f"{name} {TRUST}", f"{after.trust} (was {before.trust})"
        )
    if before.fenced != after.fenced:
        yield Reason(Bump.MINOR, Part.VARIABLES, f"{name} {FENCE}", "on" if after.fenced else "off")


def _default(variable: Variable) -> str:
    return canonical(variable.default) if variable.has_default else ""


def _outputs(before: Content, after: Content) -> Iterator[Reason]:
    """Judge what the model says to a caller: the answer, and the arguments of tools."""
    old, new = before.output_schema, after.output_schema
    if old is not None and new is not None:
        yield from _output(Part.OUTPUT, "output_schema", old, new)
    elif old != new:
        # Who reads free text cannot read JSON, nor the other way round.
        yield Reason(
            Bump.MAJOR, Part.OUTPUT, f"output_schema {'added' if old is None else 'removed'}"
        )
    yield from _tools(_by_name(before.tools), _by_name(after.tools))


def _by_name(tools: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {str(it["function"].get("name")): it for it in tools}


def _tools(
    before: Mapping[str, dict[str, Any]], after: Mapping[str, dict[str, Any]]
) -> Iterator[Reason]:
    for name in sorted(before.keys() - after.keys()):
        yield Reason(Bump.MAJOR, Part.TOOLS, f"tool {name} removed")
    for name in sorted(after.keys() - before.keys()):
        yield Reason(Bump.MINOR, Part.TOOLS, f"tool {name} added")
    for name in sorted(before.keys() & after.keys()):
        old, new = before[name], after[name]
        yield from _output(
            Part.TOOLS, f"tool {name} parameters", _parameters(old), _parameters(new)
        )
        if _around(old) != _around(new):
            yield Reason(Bump.MINOR, Part.TOOLS, f"tool {name} described otherwise")


def _parameters(tool: dict[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", tool["function"].get("parameters") or {})


def _around(tool: dict[str, Any]) -> str:
    return canonical({**tool, "function": {**tool["function"], "parameters": {}}})


def _output(
    part: Part, name: str, before: dict[str, Any], after: dict[str, Any]
) -> Iterator[Reason]:
    """Judge a schema whose values others read: they break on less and on more than they knew."""
    if compare(before, after) is Relation.SAME:
        if canonical(before) != canonical(after):
            # The model reads titles and descriptions.
            yield Reason(Bump.MINOR, part, f"{name} described otherwise")
    elif compare(bare(before), without_added(bare(before), bare(after))) is Relation.SAME:
        yield Reason(Bump.MINOR, part, f"{name} has more fields", keywords(before, after))
    else:
        yield Reason(Bump.MAJOR, part, f"{name} changed", keywords(before, after))


def _messages(before: Content, after: Content) -> Iterator[Reason]:
    old, new = [_place(it) for it in before.said], [_place(it) for it in after.said]
    if old != new:
        detail = f"{', '.join(new) or 'none'} (was {', '.join(old) or 'none'})"
        yield Reason(Bump.MINOR, Part.TEXT, "messages added, removed or moved", detail)
        return
    for number, (one, other) in enumerate(zip(before.said, after.said, strict=True)):
        name = "text" if after.template is not None else f"messages[{number}]"
        yield from _text(name, one.content or "", other.content or "")


def _place(message: Message) -> str:
    return "placeholder" if message.role is None else message.role.value


def _text(name: str, before: str, after: str) -> Iterator[Reason]:
    if before == after:
        return
    old = [it for it in tokens(before) if it.kind is not Kind.SPACE]
    new = [it for it in tokens(after) if it.kind is not Kind.SPACE]
    instructing, changed = list[str](), 0
    for hunk in hunks([it.folded for it in old], [it.folded for it in new]):
        removed, added = old[hunk.start : hunk.end], new[hunk.new_start : hunk.new_end]
        instructing += [f"-{_shown(it.text)}" for it in removed if it.instructs]
        instructing += [f"+{_shown(it.text)}" for it in added if it.instructs]
        spoken = [sum(it.kind is not Kind.SIGN for it in side) for side in (removed, added)]
        changed += max(spoken)
    words = max(1, sum(it.kind is not Kind.SIGN for it in old))
    if instructing:
        more = " ..." if len(instructing) > MOST_NAMED else ""
        yield Reason(
            Bump.MINOR,
            Part.TEXT,
            f"{name} instructs otherwise",
            " ".join(instructing[:MOST_NAMED]) + more,
        )
    elif changed >= MINOR_SHARE * words:
        yield Reason(Bump.MINOR, Part.TEXT, f"{name} reworded", f"{changed} of {words} words")
    else:
        yield Reason(
            Bump.PATCH, Part.TEXT, f"{name} reworded a little", f"{changed} of {words} words"
        )


def _shown(word: str) -> str:
    """Write a word for a terminal, what nobody sees included."""
    return ascii(word.strip())[1:-1][:MOST_SHOWN]


def _partials(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Reason]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            was, now = before.get(name, "none"), after.get(name, "none")
            yield Reason(Bump.MINOR, Part.PARTIALS, f"partial {name} changed", f"{now} (was {was})")


def _partials_of(version: PromptVersion) -> Mapping[str, str]:
    top = read_tree(version.file, Faults(version.ref))
    node = top.members.get("partials") if top is not None else None
    if not isinstance(node, Members):
        return {}
    scalars = {name: it for name, it in node.members.items() if isinstance(it, Scalar)}
    return {name: it.text for name, it in scalars.items()}

"""Lint of what a prompt says, and of whose words it lets in."""

import re
import unicodedata
from collections.abc import Iterator

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import FENCE, TRUST, Content, Role, Trust
from trimtab.registry.finding import Finding
from trimtab.registry.lint_case import Case
from trimtab.registry.words import INVISIBLE, Kind, tokens

ALIKE = 0.9
"""From this share of shingles in common on, two prompts are one."""

SHINGLE = 3
FEWEST_WORDS = 8
"""Prompts of fewer words may be like others."""

_ROLE = re.compile(
    r"^[ \t]*(?:system|user|assistant|human)[ \t]*:"
    r"|<\|(?:im_start|im_end|start_header_id|eot_id|system|user|assistant)\|>"
    r"|<<<dotprompt:|\[/?INST\]|<</?SYS>>",
    re.IGNORECASE | re.MULTILINE,
)
_INVISIBLE = re.compile(f"[{INVISIBLE}]")


def names(case: Case) -> Iterator[Finding]:
    """R004: what is used is declared, and the other way round."""
    content = case.content
    partials = case.file.partials.keys() if case.flat is None else frozenset[str]()
    needed, said = dict[str, str](), set[str]()
    for path, _, text in case.texts:
        try:
            said |= case.said(text)
            needed |= dict.fromkeys(case.around.names(content.engine, text), path)
        except SettingsInvalid as exc:
            yield case.at("R004", path, str(exc))
            return
    for name in sorted(needed.keys() - content.variables.keys() - partials):
        what = f"{name!r} is used and not declared; add it to required_vars, or to variables"
        yield case.at("R004", needed[name], what, name)
    for name in sorted(content.variables.keys() - said):
        yield _unused(case, name, _declared(case, name))
    for name in sorted(case.file.partials.keys() - _own_names(case)):
        yield _unused(case, name, f"partials.{name}")


def system(case: Case) -> Iterator[Finding]:
    """R010: a system message has the words of its author only."""
    for path, message, text in case.texts:
        if message.role is Role.SYSTEM:
            for name in sorted(_names(case, text) & case.content.variables.keys()):
                trust = case.content.variables[name].trust
                if trust is not Trust.AUTHOR:
                    what = f"{name!r} is {TRUST}: {trust}; say it in a user message"
                    yield case.at("R010", path, what, name)


def marks(case: Case) -> Iterator[Finding]:
    """R011: trust is marked on every text or on none, and what was retrieved is fenced."""
    variables = case.content.variables
    marked = {name for name, it in variables.items() if TRUST in it.json_schema}
    for name, it in variables.items():
        where = _declared(case, name)
        if marked and name not in marked and it.json_schema.get("type", "string") == "string":
            what = f"{name!r} has no {TRUST}, and others have; write author, user or retrieved"
            yield case.at("R011", where, what, name)
        if it.trust is Trust.RETRIEVED and not it.fenced:
            yield case.at(
                "R011", where, f"{name!r} is retrieved and has no {FENCE}; set it to true"
            )


def schemas(case: Case) -> Iterator[Finding]:
    """R012: where the site asks for schemas, they are written."""
    if case.around.policy.require_schemas:
        for name, it in case.content.variables.items():
            if f"variables.{name}" not in case.file.lines or not it.json_schema:
                what = f"{name!r} has no schema; write one in variables"
                yield case.at("R012", _declared(case, name), what, name)


def roles(case: Case) -> Iterator[Finding]:
    """R013: roles are those of the list of messages."""
    for path, _, text in case.texts:
        for mark in dict.fromkeys(it.group().strip() for it in _ROLE.finditer(text)):
            what = (
                f"{mark!r} marks a role in a text, where it has none; write a message of the list"
            )
            yield case.at("R013", path, what, mark)


def secrets(case: Case) -> Iterator[Finding]:
    """R014: no secret. It is not told which."""
    if case.around.looks_secret(case.file.text):
        lines = case.file.text.split("\n")
        at = next((it for it in lines if case.around.looks_secret(it)), "")
        yield case.at("R014", "", "looks like a secret; take it out, and revoke it", at)


def twins(case: Case) -> Iterator[Finding]:
    """R015: what differs by tenant is a variable or a scope, not a copy."""
    ours = _shingles(case.content)
    for other in case.around.others:
        if alike(ours, _shingles(other.read())) >= ALIKE:
            what = f"is nearly '{other.ref}'; make one prompt of them, with a variable or a scope"
            yield case.at("R015", "", what)


def characters(case: Case) -> Iterator[Finding]:
    """R023: what a person reads is what the model reads."""
    for path, _, text in case.texts:
        for mark in dict.fromkeys(_INVISIBLE.findall(text)):
            what = f"has U+{ord(mark):04X}, which nobody sees; take it out"
            yield case.at("R023", path, what, mark)
        if not unicodedata.is_normalized("NFC", text):
            yield case.at("R023", path, "is not in NFC, so equal words may differ; write it in NFC")


def alike(one: frozenset[str], other: frozenset[str]) -> float:
    """Tell the share of shingles in common (Dice), 0 to 1; 0 if one is too short to tell."""
    together = len(one) + len(other)
    return 2 * len(one & other) / together if one and other else 0.0


def _unused(case: Case, name: str, path: str) -> Finding:
    finding = case.at(
        "R004", path, f"{name!r} is declared and not used; remove it, or use it", name
    )
    return finding.softened()


def _declared(case: Case, name: str) -> str:
    """Find the member that declares a variable."""
    if f"variables.{name}" in case.file.lines:
        return f"variables.{name}"
    return "required_vars" if case.content.variables[name].required else "optional_vars"


def _names(case: Case, text: str) -> frozenset[str]:
    try:
        return case.said(text)
    except SettingsInvalid:
        return frozenset()


def _own_names(case: Case) -> frozenset[str]:
    texts = (it.content or "" for it in case.file.content.said)
    return frozenset[str]().union(*(_names(case, it) for it in texts))


def _shingles(content: Content) -> frozenset[str]:
    skipped = (Kind.SPACE, Kind.SIGN)
    text = "\n".join(it.content or "" for it in content.said)
    words = [it.folded for it in tokens(text) if it.kind not in skipped]
    if len(words) < FEWEST_WORDS:
        return frozenset()
    return frozenset(" ".join(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1))

"""Lint of application code: prompts that are built in it, and versions it should not name.

It looks at calls that send a prompt, not at words: `prompt=` of an input box is none of its
business. What reaches a call through a variable is followed within its function and module.
"""

import ast
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from semver import Version

from trimtab.domain.prompt import LABEL, NAME, RESERVED_LABELS
from trimtab.registry.built import Known, built, inside, members_of, scopes, text_of
from trimtab.registry.finding import Comment, Finding, found, heard

FIELDS = frozenset({"messages", "system", "prompt", "input", "instructions", "contents"})
"""Arguments that hold what a model reads."""

SENDERS = (
    *("messages.create", "messages.stream", "messages.parse", "messages.count_tokens"),
    *("completions.create", "completions.parse", "completions.stream", "ChatCompletion.create"),
    *("responses.create", "responses.parse", "responses.stream", "models.generate_content"),
    *("litellm.completion", "litellm.acompletion"),
)
"""How the last names of a call that sends a prompt read."""

SDK = "trimtab.sdk"
FETCHES = frozenset({"fetch", "render"})

_REF = re.compile(rf"(?P<name>{NAME.pattern})@(?P<version>[^@\s]+)")


def lint_code(paths: Iterable[Path], labels: Mapping[str, str] | None = None) -> list[Finding]:
    """Lint Python files, and those below folders; what is no Python is left to others.

    Args:
        paths: Files and folders.
        labels: The version that production has, by name of the prompt.
    """
    files = dict.fromkeys(it for path in paths for it in _files(path))
    texts = ((str(it), it.read_text(errors="replace")) for it in files)
    return [it for path, source in texts for it in lint_source(source, path, labels)]


def lint_source(source: str, path: str, labels: Mapping[str, str] | None = None) -> list[Finding]:
    """Lint one text of Python."""
    try:
        module = ast.parse(source)
        comments = list(_comments(source))
    except (SyntaxError, ValueError, RecursionError):  # of tokenize, too
        return []
    code = _Code(path, labels or {}, dict(_imported(module)))
    findings = {it for scope, known in scopes(module) for it in code.scope(scope, known)}
    return heard(findings, comments, path)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*.py")):
        below = file.relative_to(path).parts[:-1]
        # Environments and caches are not the application's.
        if not any(it.startswith(".") or it == "site-packages" for it in below):
            yield file


def _imported(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Tell what names of the module are by their whole names."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            yield from ((it.asname or it.name, f"{node.module}.{it.name}") for it in node.names)
        elif isinstance(node, ast.Import):
            yield from ((it.asname, it.name) for it in node.names if it.asname)


def _comments(source: str) -> Iterator[Comment]:
    lines = source.split("\n")
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            yield Comment(line, token.string, not lines[line - 1][:column].strip())


@dataclass(frozen=True, slots=True)
class _Code:
    """A module under lint.

    Attributes:
        imported: Whole names by those of the module.
    """

    path: str
    labels: Mapping[str, str]
    imported: Mapping[str, str]

    def scope(self, scope: ast.AST, known: Known) -> Iterator[Finding]:
        """Find what breaks a rule in a scope; some of it twice."""
        for node in inside(scope):
            if isinstance(node, ast.Call):
                yield from self._called(node, known)
            elif isinstance(node, ast.Dict):
                yield from self._written(node, known)
            elif isinstance(node, ast.Constant):
                yield from self._left_behind(node, *_reference(node))

    def _called(self, call: ast.Call, known: Known) -> Iterator[Finding]:
        first, *rest = _dotted(call.func).split(".")
        name = ".".join([self.imported.get(first, first), *rest])
        given = {it.arg: it.value for it in call.keywords if it.arg is not None}
        if any(name == it or name.endswith(f".{it}") for it in SENDERS):
            yield from self._built(given, known, call)
            yield from self._latest(given.get("prompt"))
        elif name.startswith(f"{SDK}.") and name.rpartition(".")[2] in FETCHES:
            positional = dict(zip(("name", "version"), call.args, strict=False))
            yield from self._fetched(call, {**positional, **given})

    def _written(self, body: ast.Dict, known: Known) -> Iterator[Finding]:
        """Look at a body that is sent by hand."""
        members = {key: it for key, it in members_of(body).items() if key is not None}
        if "model" in members:
            yield from self._built(members, known, body)
        yield from self._latest(members.get("prompt"))
        yield from self._left_behind(body, *_reference(body))

    def _built(
        self, given: Mapping[str, ast.expr], known: Known, around: ast.expr
    ) -> Iterator[Finding]:
        """R020: prompts are not built in code."""
        for field in sorted(FIELDS & given.keys()):
            for node, how in built(given[field], known):
                what = f"{field} is built with {how}; take a prompt of the registry, and variables"
                yield found("R020", self.path, node.lineno, what, member=around.lineno)

    def _fetched(self, call: ast.Call, given: Mapping[str, ast.expr]) -> Iterator[Finding]:
        """R021 and R022 of a call of the SDK."""
        name, version = text_of(given.get("name")), text_of(given.get("version"))
        label = text_of(given.get("label")) or version or ""
        if label in RESERVED_LABELS:
            yield self._floats(call)
        elif LABEL.fullmatch(label) and "max_stale" not in given:
            what = f"label {label!r} is fetched without max_stale; say how old it may be"
            yield found("R021", self.path, call.lineno, what)
        yield from self._left_behind(call, name or "", version or "")

    def _latest(self, prompt: ast.expr | None) -> Iterator[Finding]:
        """R021 of what a request names; there, a label is as new as the gateway."""
        if prompt is not None and _reference(prompt)[1] in RESERVED_LABELS:
            yield self._floats(prompt)

    def _floats(self, node: ast.expr) -> Finding:
        what = "'latest' is no label, for its text would change unseen; name a version or a label"
        return found("R021", self.path, node.lineno, what)

    def _left_behind(self, node: ast.expr, name: str, version: str) -> Iterator[Finding]:
        """R022: what is named is not older than production by a major."""
        newest = self.labels.get(name)
        if newest is None or not Version.is_valid(version):
            return
        if Version.parse(version).major < Version.parse(newest).major:
            what = f"names {name}@{version}, and production has {newest}; move to its major"
            yield found("R022", self.path, node.lineno, what)


def _reference(node: ast.expr) -> tuple[str, str]:
    """Read `name@version`, or a map of `id` and `version`; empty if it is neither."""
    if isinstance(node, ast.Dict):
        members = members_of(node)
        return text_of(members.get("id")) or "", text_of(members.get("version")) or ""
    match = _REF.fullmatch(text_of(node) or "")
    return ("", "") if match is None else (match["name"], match["version"])


def _dotted(node: ast.expr) -> str:
    """Write a name as it is called; what is no name of it is `?`."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    names.append(node.id if isinstance(node, ast.Name) else "?")
    return ".".join(reversed(names))

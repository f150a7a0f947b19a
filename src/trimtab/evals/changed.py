"""Which suites a change touches: those that rest on a file of it, and all if nobody can say."""

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.yaml_tree import Faults, Members, Scalar, read_tree, scalars

SUITE_PATH = re.compile(r"(?!-)[A-Za-z0-9._/-]+")
"""What may stand unquoted in a command line: the only paths that a suite may have there."""

_GLOB = re.compile(r"\*\*/|\*\*|[*?]|[^*?]+")
_MEANS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_CASES, _LABELS = ".jsonl", ".labels.jsonl"


class Rests(Struct, frozen=True, kw_only=True):
    """What a suite rests on, as its manifest says it.

    Attributes:
        path: The manifest, from the root, with `/` between its parts.
        files: Whatever may be a file that it names.
        prompt: The prompt that is its target; `None` if that is something else.
    """

    path: str
    name: str
    files: frozenset[str]
    prompt: str | None = None


class PromptNamed(Struct, frozen=True, kw_only=True):
    """A prompt file of a change: which prompt it is, and the suites that it names."""

    name: str
    evals: tuple[str, ...] = ()


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Make a test of paths. `*` and `?` stay within a folder, `**` is any number of them."""
    parts = [[it[0] for it in _GLOB.finditer(pattern)] for pattern in patterns]
    found = "|".join("".join(_MEANS.get(it) or re.escape(it) for it in part) for part in parts)
    compiled = re.compile(found, re.DOTALL)
    return lambda path: compiled.fullmatch(path) is not None


def rests_on(text: str, path: str) -> Rests | None:
    """Read what a suite rests on; `None` if the file is no manifest, for it has no `cases`.

    A manifest with faults is one: whoever runs it tells them.

    Raises:
        SettingsInvalid: it is no YAML.
    """
    faults = Faults(path)
    top = read_tree(text, faults, "name: my-suite")
    if top is None:
        raise SettingsInvalid(faults.text())
    if "cases" not in top.members:
        return None
    written = [it.text for it in scalars(top)]
    labels = [it.removesuffix(_CASES) + _LABELS for it in written if it.endswith(_CASES)]
    folder = posixpath.dirname(path)
    return Rests(
        path=path,
        name=_text(top, "name"),
        files=frozenset(
            posixpath.normpath(posixpath.join(folder, it)) for it in (*written, *labels)
        ),
        prompt=_text(top.members.get("target"), "prompt") or None,
    )


def touched(
    changed: Iterable[str], suites: Sequence[Rests], prompts: Mapping[str, PromptNamed]
) -> tuple[str, ...]:
    """Name the suites that a change touches, by their paths and in their order.

    A prompt touches the suites of which it is the target, those that it names, and those whose
    target is a whole application. What belongs to no suite (code, a prompt without one) touches
    all.

    Raises:
        SettingsInvalid: the path of one could not stand in a command line.
    """
    found = frozenset[str]().union(*(_touched(it, suites, prompts.get(it)) for it in changed))
    for path in sorted(found):
        if SUITE_PATH.fullmatch(path) is None:
            raise SettingsInvalid(
                f"suite {path[:200]!r} is in no path of letters, digits, '.', '_', '/' and '-';"
                " rename it"
            )
    return tuple(sorted(found))


def _touched(path: str, suites: Sequence[Rests], prompt: PromptNamed | None) -> Collection[str]:
    own = {it.path for it in suites if path == it.path or path in it.files}
    if own:
        return own
    if prompt is not None:
        named = {
            it.path
            for it in suites
            if it.prompt == prompt.name or {it.name, it.path} & {*prompt.evals}
        }
        if named:
            return named | {it.path for it in suites if it.prompt is None}
    return {it.path for it in suites}


def _text(node: object, member: str) -> str:
    found = node.members.get(member) if isinstance(node, Members) else None
    return found.text if isinstance(found, Scalar) else ""

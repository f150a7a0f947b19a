"""Partials: texts that several prompts share, filled in when a prompt is published.

A published version holds its whole text, so no other version can change what it says, and partials
of partials cannot go in circles.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from string import Template

from msgspec.structs import replace

from trimtab.domain.errors import SettingsInvalid, TrimtabError
from trimtab.domain.mustache import sections_in_mustache
from trimtab.domain.prompt import MOST_BYTES, NAME, Content, Engine, Message, PromptVersion
from trimtab.domain.rendering import split_template
from trimtab.registry.format import check_version

Lookup = Callable[[str, str], PromptVersion | None]
"""Finds a published version by name and number."""

_REF = re.compile(rf"(?P<name>{NAME.pattern})@(?P<version>[^@\s]+)")


def flatten(content: Content, partials: Mapping[str, str], lookup: Lookup) -> Content:
    """Fill the texts of partials in.

    Args:
        content: What a file says.
        partials: `name@version` by the name a partial is used under.
        lookup: Finds published versions.

    Raises:
        SettingsInvalid: a partial is not there, or not fit for this prompt; one line for each.
    """
    found = {name: _part(ref, content, lookup) for name, ref in partials.items()}
    faults = [f"partials.{name}: {what}" for name, (_, whats) in found.items() for what in whats]
    if faults:
        raise SettingsInvalid("\n".join(faults))
    if not found:
        return content
    texts = {name: text for name, (text, _) in found.items()}
    left = MOST_BYTES

    def filled(text: str | None) -> str | None:
        nonlocal left
        if text is None:
            return None
        left -= _length(content.engine, text, texts)
        if left < 0:
            raise SettingsInvalid(
                f"with its partials the prompt has more than {MOST_BYTES} characters; shorten it"
            )
        return _FILL[content.engine](text, texts)

    messages = tuple(
        Message(role=it.role, content=filled(it.content), placeholder=it.placeholder)
        for it in content.messages
    )
    return replace(content, template=filled(content.template), messages=messages)


def unfit(
    content: Content, partials: Mapping[str, str], lookup: Lookup
) -> Iterator[tuple[str, str]]:
    """Tell which partials cannot be filled in, and why."""
    for name, ref in partials.items():
        yield from ((name, what) for what in _part(ref, content, lookup)[1])


def _part(ref: str, content: Content, lookup: Lookup) -> tuple[str, list[str]]:
    """Find the text of a partial, and what is wrong with it."""
    match = _REF.fullmatch(ref)
    if match is None or check_version(match["version"]) is not None:
        return "", [f"{ref[:64]!r} is no exact version; write name@1.0.0"]
    version = lookup(match["name"], match["version"])
    if version is None:
        return "", [f"'{ref}' is not published; publish it first"]
    try:
        part = version.read()
    except TrimtabError as exc:
        return "", [str(exc)]
    return part.template or "", list(_unfit_part(ref, part, content))


def _unfit_part(ref: str, part: Content, content: Content) -> Iterator[str]:
    if part.template is None:
        yield f"'{ref}' is a list of messages; take a prompt of one text"
    if part.engine is not content.engine:
        yield f"'{ref}' is of engine {part.engine}, the prompt of {content.engine}; take the same"
    missing = sorted(part.variables.keys() - content.variables.keys())
    if missing:
        yield f"'{ref}' needs {', '.join(missing)}; declare them in the prompt"


def _length(engine: Engine, text: str, texts: Mapping[str, str]) -> int:
    """Bound the length of a text once it is filled, before it is."""
    used = (it["name"] for it in _slots(engine, texts).finditer(text))
    return len(text) + sum(len(texts[name]) for name in used)


def _filled(engine: Engine, text: str, texts: Mapping[str, str]) -> str:
    return _slots(engine, texts).sub(lambda it: texts[it["name"]], text)


def _slots(engine: Engine, names: Iterable[str]) -> re.Pattern[str]:
    """Find where a text uses one of these partials."""
    return re.compile(_SLOT[engine].replace("NAME", f"(?P<name>{'|'.join(names)})"))


def _template(text: str, texts: Mapping[str, str]) -> str:
    """Fill a text; what was a variable or a `$` before is one after, whatever stands beside it."""
    want = _Split()
    for literal, name in _split(text):
        want.literal(literal)
        for inner, variable in _split(texts[name]) if name in texts else [("", name)]:
            want.literal(inner)
            want.name(variable)
    plain = Template.pattern.sub(lambda it: texts.get(it["named"] or it["braced"], it[0]), text)
    return plain if split_template(plain) == (want.literals, want.names) else want.written()


def _split(text: str) -> Iterator[tuple[str, str]]:
    """Walk a text as pairs of a literal and the name after it; the last name is empty."""
    literals, names = split_template(text)
    return zip(literals, [*names, ""], strict=True)


class _Split:
    """State: the literals and names of a text that is put together, as `split_template` has it."""

    def __init__(self) -> None:
        self.literals = [""]
        self.names: list[str] = []

    def literal(self, text: str) -> None:
        self.literals[-1] += text

    def name(self, name: str) -> None:
        if name:
            self.names.append(name)
            self.literals.append("")

    def written(self) -> str:
        """Write it so that it can be read in one way only."""
        pieces = [it.replace("$", "$$") for it in self.literals]
        slots = [f"${{{it}}}" for it in self.names]
        return "".join(piece + slot for piece, slot in zip(pieces, [*slots, ""], strict=True))


def _mustache(text: str, texts: Mapping[str, str]) -> str:
    named = sections_in_mustache(text)
    want = named - texts.keys()
    for name in named & texts.keys():
        want |= sections_in_mustache(texts[name])
    plain = _filled(Engine.MUSTACHE, text, texts)
    wrong = sections_in_mustache(plain) ^ want
    if wrong:
        raise SettingsInvalid(
            f"with its partials the text reads {', '.join(sorted(wrong))} otherwise; write each"
            " partial as {{name}}, apart from other tags"
        )
    return plain


def _jinja(text: str, texts: Mapping[str, str]) -> str:
    other = re.search(
        rf"\{{[{{%][^{{}}]*\b({'|'.join(texts)})\b", _slots(Engine.JINJA, texts).sub("", text)
    )
    if other is not None:
        raise SettingsInvalid(
            f"partial {other[1]!r} is used in an expression; write it as {{{{ {other[1]} }}}}"
        )
    return _filled(Engine.JINJA, text, texts)


_SLOT = {
    Engine.TEMPLATE: r"\$(?P<brace>\{)?NAME(?(brace)\}|(?![A-Za-z0-9_]))",
    Engine.MUSTACHE: r"\{\{(?:(?P<brace>\{)|&)?\s*NAME\s*(?(brace)\})\}\}",
    Engine.JINJA: r"\{\{\s*NAME\s*\}\}",
}
_FILL: Mapping[Engine, Callable[[str, Mapping[str, str]], str]] = {
    Engine.TEMPLATE: _template,
    Engine.MUSTACHE: _mustache,
    Engine.JINJA: _jinja,
}

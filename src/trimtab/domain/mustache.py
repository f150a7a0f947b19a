"""Mustache without what could run or reach anything: no lambdas, partials, set delimiters, HTML.

The parser and the renderer are pystache's. A rendered text is bounded, whatever loops it has.
"""

from collections.abc import Callable, Iterator, Mapping

from pystache.context import ContextStack, KeyNotFoundError
from pystache.parser import ParsedTemplate, ParsingError, parse
from pystache.renderengine import RenderEngine

from trimtab.domain.errors import PromptVariablesInvalid, SettingsInvalid

_TAKEN = frozenset({"_EscapeNode", "_LiteralNode", "_SectionNode", "_InvertedNode", "_CommentNode"})


def compile_mustache(
    text: str, as_text: Callable[[object], str], most_chars: int
) -> Callable[[Mapping[str, object]], str]:
    """Make a renderer of a text.

    Raises:
        SettingsInvalid: a section is not closed, or a tag is not taken.
    """
    parsed = _parse(text)

    def render(values: Mapping[str, object]) -> str:
        engine = _Bounded(as_text, len(text), most_chars)
        try:
            return parsed.render(engine, ContextStack(values))
        except KeyNotFoundError as exc:
            key = str(exc.key)
            raise PromptVariablesInvalid(
                f"{key!r} is not in the variables where the prompt asks for it; give it", param=key
            ) from exc

    return render


def names_in_mustache(text: str) -> frozenset[str]:
    """Name the variables a text needs from outside; what stands in a section may be the section's.

    Raises:
        SettingsInvalid: as `compile_mustache`.
    """
    return _names(_parse(text), deep=False)


def sections_in_mustache(text: str) -> frozenset[str]:
    """Name everything a text could take, in sections too."""
    return _names(_parse(text), deep=True)


class _Bounded(RenderEngine):
    """State: how many characters were written, literals counted by the sections that write them."""

    def __init__(self, as_text: Callable[[object], str], length: int, most_chars: int) -> None:
        super().__init__(
            literal=self._written,
            escape=self._written,
            resolve_context=lambda stack, name: stack.get(name),
            resolve_partial=None,
            to_str=as_text,
        )
        self._length = length
        self._left = most_chars

    def fetch_section_data(self, context: ContextStack, name: str) -> list[object]:
        """See `RenderEngine`; each turn of a section may write the whole text again."""
        data = super().fetch_section_data(context, name)
        self._spend(self._length * max(0, len(data) - 1))
        return data

    def _written(self, text: str) -> str:
        self._spend(len(text))
        return text

    def _spend(self, chars: int) -> None:
        self._left -= chars
        if self._left < 0:
            raise PromptVariablesInvalid(
                "the prompt would become too long with these variables; give shorter ones"
            )


def _parse(text: str) -> ParsedTemplate:
    try:
        parsed = parse(text, raise_on_mismatch=True)
    except ParsingError as exc:
        raise SettingsInvalid(f"a mustache section is not closed ({exc}); close it") from exc
    for node in _nodes(parsed):
        kind = type(node).__name__
        if kind not in _TAKEN:
            word = "a partial" if kind == "_PartialNode" else "another delimiter"
            raise SettingsInvalid(f"{word} in mustache is not taken; write the text out")
    return parsed


def _nodes(parsed: ParsedTemplate, *, deep: bool = True) -> Iterator[object]:
    # pystache has no other way to look at what it parsed.
    for node in parsed._parse_tree:  # noqa: SLF001
        if isinstance(node, str):
            continue
        yield node
        inner = getattr(node, "parsed", None) or getattr(node, "parsed_section", None)
        if inner is not None and deep:
            yield from _nodes(inner)


def _names(parsed: ParsedTemplate, *, deep: bool) -> frozenset[str]:
    keys = (str(getattr(node, "key", ".")) for node in _nodes(parsed, deep=deep))
    return frozenset(key.partition(".")[0] for key in keys if key != ".")

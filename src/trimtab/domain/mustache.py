"""Mustache without what could run or reach anything: no lambdas, partials, set delimiters, HTML.

The parser and the renderer are pystache's. A rendered text is bounded, whatever loops it has. What
pystache would read for minutes, or not at all, is refused before it is read.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from pystache.context import ContextStack, KeyNotFoundError
from pystache.parser import ParsedTemplate, ParsingError, parse
from pystache.renderengine import RenderEngine

from trimtab.domain.errors import PromptVariablesInvalid, SettingsInvalid

MOST_DEPTH = 32

_NAME = r"\s*(?:\.|[\w-]+(?:\.[\w-]+)*)\s*"
_TAG = re.compile(
    rf"\{{\{{(?:\{{{_NAME}\}}|(?P<kind>[&#^/]?){_NAME}|!(?:(?!\}}\}}).)*)\}}\}}", re.DOTALL
)
_BLANKS = re.compile(r"[ \t]{256}")


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
    _check_tags(text)
    try:
        return parse(text, raise_on_mismatch=True)
    except ParsingError as exc:
        raise SettingsInvalid(f"a mustache section is not closed ({exc}); close it") from exc


def _check_tags(text: str) -> None:
    """Refuse tags that are not taken, and what takes pystache the square of its length."""
    if _BLANKS.search(text) is not None:
        raise SettingsInvalid("a mustache text has 256 blanks in a row; take fewer")
    at = depth = 0
    while (at := text.find("{{", at)) >= 0:
        match = _TAG.match(text, at)
        if match is None:
            shown = text[at : at + 16].partition("\n")[0]
            raise SettingsInvalid(
                f"{shown!r} in mustache is not taken; use {{{{name}}}}, {{{{#name}}}},"
                " {{^name}}, {{/name}} or {{! a comment}}"
            )
        depth += {"#": 1, "^": 1, "/": -1}.get(match["kind"] or "", 0)
        if depth > MOST_DEPTH:
            raise SettingsInvalid(
                f"more than {MOST_DEPTH} mustache sections in each other; flatten"
            )
        at = match.end()


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

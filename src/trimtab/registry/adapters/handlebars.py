"""Handlebars as dotprompt takes it, to texts of ours and back.

Taken are values, `if`, `unless`, `each`, `else`, comments and dotprompt's own `role` and
`history`. A text with values only becomes mustache, where it is the same; with blocks it becomes
Jinja. Handlebars takes the line away that a block tag has for itself, Jinja does not; so such
lines are taken away here. In `each` a bare name is a member of `this`, and so it is written out.
"""

import re
from dataclasses import dataclass, field

from trimtab.domain.prompt import Engine
from trimtab.domain.yaml_tree import Wrong

_MARK = "<<<dotprompt:"
_MOST_BLOCKS = 16
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PATH = re.compile(rf"(@root\.|\./|this[./])?({_NAME}(?:\.{_NAME})*)")
_ROLE = re.compile(r"""role (?:"([a-z]+)"|'([a-z]+)')""")
_BLOCK = re.compile(r"# ?((?:if|unless|each) [^ ]+)|/ ?(if|unless|each)")
_ENDS = {
    "!--": re.compile(r"--(~?)\}\}"),
    "!": re.compile(r"(~?)\}\}"),
    "{": re.compile(r"\}(~?)\}\}"),
    "": re.compile(r"(~?)\}\}"),
}
_OPENS = {"if": "if ", "unless": "if not ", "each": "for this in "}

_TAG_OF_JINJA = re.compile(r"\{%([^{}]*)%\}|\{\{([^{}]*)\}\}|\{[{%#]")
_STATEMENT = re.compile(
    r"(?P<begin>if|if not|elif|for this in) (?P<path>[^ ]+)|(?P<inner>else|endif|endfor)"
)
_CLOSES = {"if": "if", "if not": "unless", "for this in": "each"}
_WORDS_OF_JINJA = {
    *("and", "else", "false", "False", "if", "in", "is", "loop"),
    *("none", "None", "not", "or", "self", "true", "True"),
}


@dataclass(frozen=True, slots=True)
class Turn:
    """A message, or the place of the history if `text` is `None`; `role` is `None` if not named."""

    role: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag, and whether it has `~` on its sides."""

    kind: str
    words: str
    left: bool = False
    right: bool = False


def to_turns(body: str) -> tuple[Engine, list[Turn], bool]:
    """Read a body: its engine, its messages, and whether it has comments, which are left out.

    Raises:
        Wrong: it has a tag that is not taken.
    """
    if _MARK in body:
        raise Wrong(f"has {_MARK!r} as text, which dotprompt takes for a tag; write the tag")
    texts, tags = _split(body)
    blocks = any(it.kind in ("#", "/", "else") for it in tags)
    writer = _Writer(Engine.JINJA if blocks else Engine.MUSTACHE)
    turns, role, parts = list[Turn](), None, [texts[0]]
    for tag, after in zip(tags, texts[1:], strict=True):
        if tag.kind in ("role", "history"):
            writer.outside(tag.kind)
            turns += _turn(role, parts)
            turns += [Turn(None, None)] if tag.kind == "history" else []
            # dotprompt goes on as the model after the history.
            role, parts = "model" if tag.kind == "history" else tag.words, []
        parts += [writer.write(tag), after]
    writer.outside("the end")
    turns += _turn(role, parts)
    return writer.engine, turns, any(it.kind == "!" and it.words for it in tags)


def from_text(engine: Engine, text: str) -> str:
    """Write a text of mustache with plain names, or of Jinja with plain blocks.

    Raises:
        Wrong: it does more than Handlebars can say.
    """
    parts, blocks, start, after_block = list[str](), list[str](), 0, False
    for match in _TAG_OF_JINJA.finditer(text):
        parts.append(_kept(text[start : match.start()], after_block=after_block))
        start, after_block = match.end(), match[1] is not None
        if match[2] is not None:
            parts.append(f"{{{{{_outward(match[2].strip(), blocks)}}}}}")
        elif match[1] is not None and engine is Engine.JINJA:
            parts.append(_block(" ".join(match[1].split()), blocks))
        else:
            raise Wrong(f"has {match[0][:24]!r}; write a plain name, `if` or `for`")
    return "".join([*parts, _kept(text[start:], after_block=after_block)])


@dataclass(slots=True)
class _Writer:
    """Writes tags in our engine. State: the blocks that are open."""

    engine: Engine
    open: list[str] = field(default_factory=list[str])

    def outside(self, what: str) -> None:
        """See that no block is open."""
        if self.open:
            raise Wrong(f"has {what} inside of {{{{#{self.open[-1]}}}}}; close it in its message")

    def write(self, tag: _Tag) -> str:
        """Write one tag."""
        if tag.kind == "#":
            word, _, path = tag.words.partition(" ")
            written = f"{{% {_OPENS[word]}{self._path(path)} %}}"
            self.open.append(word)
            if len(self.open) > _MOST_BLOCKS:
                raise Wrong(f"has more than {_MOST_BLOCKS} blocks in each other; make it flatter")
            return written
        if tag.kind in ("/", "else"):
            return self._inner(tag)
        if tag.kind == "name":
            path = self._path(tag.words)
            return f"{{{{ {path} }}}}" if self.engine is Engine.JINJA else f"{{{{{path}}}}}"
        return ""

    def _inner(self, tag: _Tag) -> str:
        block = self.open[-1] if self.open else ""
        if not block or (tag.kind == "/" and tag.words != block):
            raise Wrong(f"has {{{{{tag.kind}{tag.words[:24]}}}}} without its begin; open it")
        if tag.kind == "/":
            self.open.pop()
            return "{% endfor %}" if block == "each" else "{% endif %}"
        if not tag.words:
            return "{% else %}"
        if block == "each":
            raise Wrong("has {{else if}} in {{#each}}; write {{#if}} inside of its {{else}}")
        return f"{{% elif {self._path(tag.words)} %}}"

    def _path(self, words: str) -> str:
        looped = "each" in self.open
        if words == "this" and looped:
            return words
        match = _PATH.fullmatch(words)
        if match is None or (match[2].partition(".")[0] == "this" and not match[1]):
            raise Wrong(f"has {{{{{words[:40]}}}}}, which is no plain name; give it as a variable")
        path = f"this.{match[2]}" if looped and match[1] != "@root." else match[2]
        return _same_in_jinja(path) if self.engine is Engine.JINJA else path


def _turn(role: str | None, parts: list[str]) -> list[Turn]:
    text = "".join(parts)
    return [Turn(role, text)] if text.strip() else []


def _split(body: str) -> tuple[list[str], list[_Tag]]:
    """Take a body apart, one text more than tags; white space that Handlebars drops is gone."""
    texts, tags, start = list[str](), list[_Tag](), 0
    while (begin := body.find("{{", start)) >= 0:
        if body[start:begin].endswith("\\"):
            raise Wrong("has '{{' as text, which mustache and Jinja cannot say; write it apart")
        texts.append(body[start:begin])
        tag, start = _tag(body, begin + 2)
        tags.append(tag)
    texts.append(body[start:])
    if any("{%" in it or "{#" in it for it in texts):
        raise Wrong("has '{%' or '{#' as text; write it apart")
    return _controlled(texts, tags), tags


def _tag(body: str, start: int) -> tuple[_Tag, int]:
    left = body.startswith("~", start)
    opening = next(it for it in _ENDS if body.startswith(it, start + left))
    begin = start + left + len(opening)
    end = _ENDS[opening].search(body, begin)
    inner = "" if end is None else body[begin : end.start()].strip()
    comment = opening.startswith("!")
    if end is None or ("{" in inner and not comment):
        raise Wrong(f"has {body[start - 2 : start + 22]!r}, a tag that is not closed; close it")
    kind, words = ("!", inner) if comment else _meant(" ".join(inner.split()))
    return _Tag(kind, words, left, bool(end[1])), end.end()


def _meant(words: str) -> tuple[str, str]:
    """Tell what a tag is, and of what."""
    role = _ROLE.fullmatch(words)
    if role is not None:
        return "role", role[1] or role[2]
    if words == "history":
        return "history", ""
    if words in ("else", "^") or words.startswith("else if "):
        return "else", words.removeprefix("else").removeprefix("^").removeprefix(" if ")
    block = _BLOCK.fullmatch(words)
    if block is not None:
        return words[0], block[1] or block[2]
    words = words.removeprefix("&").strip()
    if not words or " " in words or words[0] in "#/^>":
        what = words.partition(" ")[0][:24]
        raise Wrong(f"has the helper or partial {{{{{what}}}}}; give what it makes as a variable")
    return "name", words


def _controlled(texts: list[str], tags: list[_Tag]) -> list[str]:
    """Drop what `~` drops, and the line of a block tag or comment that stands alone on it."""
    cut = list(texts)
    for number, tag in enumerate(tags):
        left, right = texts[number], texts[number + 1]
        if tag.kind in ("#", "/", "else", "!"):
            blank, line = left.rpartition("\n")[2], right.partition("\n")[0]
            begins = not blank.strip(" \t") and ("\n" in left or number == 0)
            ends = not line.strip(" \t") and ("\n" in right or number + 1 == len(tags))
            if begins and ends:
                cut[number] = cut[number].rstrip(" \t")
                cut[number + 1] = right.partition("\n")[2]
        if tag.left:
            cut[number] = cut[number].rstrip()
        if tag.right:
            cut[number + 1] = cut[number + 1].lstrip()
    return cut


def _same_in_jinja(path: str) -> str:
    """See that Jinja reads a path as Handlebars does: it begins with no word of its own."""
    if path.partition(".")[0] in _WORDS_OF_JINJA:
        raise Wrong(f"has the name {path[:40]!r}, which is another thing in Jinja; rename it")
    return path


def _kept(literal: str, *, after_block: bool) -> str:
    """Keep a block tag from having its line for itself, for Handlebars would take it away."""
    line, end, _ = literal.partition("\n")
    alone = after_block and end and not line.strip(" \t")
    return f"{{{{!}}}}{literal}" if alone else literal


def _block(words: str, blocks: list[str]) -> str:
    """Write a statement of Jinja. `blocks` are those that are open; what ends one closes it."""
    match = _STATEMENT.fullmatch(words)
    if match is None:
        raise Wrong(f"has {{% {words[:24]} %}}; take `if`, `if not` and `for this in`")
    if match["inner"] is not None:
        if not blocks:
            raise Wrong(f"has {{% {words} %}} without its begin; open it")
        return "{{else}}" if words == "else" else f"{{{{/{blocks.pop()}}}}}"
    path = _outward(match["path"], blocks)
    if match["begin"] == "elif":
        return f"{{{{else if {path}}}}}"
    blocks.append(_CLOSES[match["begin"]])
    return f"{{{{#{blocks[-1]} {path}}}}}"


def _outward(path: str, blocks: list[str]) -> str:
    if _PATH.fullmatch(path) is None:
        raise Wrong(f"has {path[:24]!r}, which is more than a name; give it as a variable")
    inner = "each" in blocks and path.partition(".")[0] != "this"
    return f"@root.{path}" if inner else path

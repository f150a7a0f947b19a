"""Texts that Python code puts together: an author's words beside what is not known beforehand."""

import ast
import re
from collections.abc import Iterator, Mapping
from itertools import chain

Known = Mapping[str, list[ast.expr]]
"""What each name of a scope may be."""

_WORD = re.compile(r"\w{2,}")
_FOLLOWED = 4
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def scopes(module: ast.Module) -> Iterator[tuple[ast.AST, Known]]:
    """Walk the module and its functions, each with what its names may be."""
    outside = _assigned(module)
    yield module, outside
    for node in ast.walk(module):
        if isinstance(node, _FUNCTIONS):
            spec = node.args
            given = {it.arg for it in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)}
            seen = {name: it for name, it in outside.items() if name not in given}
            yield node, {**seen, **_assigned(node)}


def inside(scope: ast.AST) -> Iterator[ast.AST]:
    """Walk a scope without the functions in it, which are scopes of their own."""
    left = list(ast.iter_child_nodes(scope))
    while left:
        node = left.pop()
        if not isinstance(node, _FUNCTIONS):
            yield node
            left += ast.iter_child_nodes(node)


def built(value: ast.expr, known: Known, follow: int = _FOLLOWED) -> Iterator[tuple[ast.expr, str]]:
    """Find what is put together in an argument, and how; names are followed, messages opened."""
    how = _how(value, known)
    if how is not None:
        yield value, how
    elif isinstance(value, ast.Name):
        for it in known.get(value.id, []) if follow else []:
            yield from built(it, known, follow - 1)
    else:
        for part in _parts(value):
            yield from built(part, known, follow)


def text_of(node: ast.expr | None) -> str | None:
    """Read a text that is written out."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def members_of(node: ast.Dict) -> Mapping[str | None, ast.expr]:
    """Read a map by those of its keys that are written out."""
    return dict(zip(map(text_of, node.keys), node.values, strict=True))


def _assigned(scope: ast.AST) -> Known:
    known: dict[str, list[ast.expr]] = {}
    for node in inside(scope):
        for target, value in _assignments(node):
            if isinstance(target, ast.Name):
                known.setdefault(target.id, []).append(value)
    return known


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AugAssign):
        # `text += more` is `text + more`.
        yield node.target, ast.copy_location(ast.BinOp(node.target, node.op, node.value), node)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        yield node.target, node.value


def _parts(value: ast.expr) -> list[ast.expr]:
    """Look into lists of messages, and into a message for its text."""
    if isinstance(value, ast.List | ast.Tuple):
        return value.elts
    if isinstance(value, ast.Starred):
        return [value.value]
    if isinstance(value, ast.IfExp):
        return [value.body, value.orelse]
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        return list(_terms(value))
    if isinstance(value, ast.Dict):
        members = members_of(value)
        return [members[key] for key in ("content", "text", "parts") if key in members]
    return []


def _how(value: ast.expr, known: Known) -> str | None:
    """Tell how a text is put together; `None` if it is not, or has no words of its own."""
    if isinstance(value, ast.JoinedStr):
        return "an f-string" if _worded(value, known) and _open(value) else None
    if isinstance(value, ast.Call):
        of = value.func
        if not isinstance(of, ast.Attribute) or of.attr != "format":
            return None
        return ".format" if (value.args or value.keywords) and _worded(of.value, known) else None
    if not isinstance(value, ast.BinOp):
        return None
    if isinstance(value.op, ast.Mod):
        return "%" if _worded(value.left, known) else None
    return "+" if isinstance(value.op, ast.Add) and _joined(list(_terms(value)), known) else None


def _joined(terms: list[ast.expr], known: Known) -> bool:
    """Whether a sum is a text that is put together, and not a list of messages."""
    lists = any(isinstance(it, ast.List | ast.Tuple | ast.ListComp) for it in terms)
    return not lists and any(map(_open, terms)) and any(_worded(it, known) for it in terms)


def _terms(value: ast.expr) -> Iterator[ast.expr]:
    left = [value]
    while left:
        node = left.pop()
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left += [node.right, node.left]
        else:
            yield node


def _open(value: ast.expr) -> bool:
    """Whether something of it is not written out."""
    if isinstance(value, ast.JoinedStr):
        return any(map(_open, value.values))
    return not isinstance(value, ast.Constant)


def _worded(value: ast.expr, known: Known) -> bool:
    """Whether words are written out in a text."""
    texts = [value]
    if isinstance(value, ast.Name):
        texts = known.get(value.id, [])
    inner = (it.values if isinstance(it, ast.JoinedStr) else [it] for it in texts)
    return any(_WORD.search(text_of(it) or "") for it in chain.from_iterable(inner))

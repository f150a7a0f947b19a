"""Templates and the files that belong to them, read once at start."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import cast

import jinja2

from trimtab.console import scores, text
from trimtab.control.prompts import may_be_undone
from trimtab.evals.report.plain import one_line

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
STATIC_PATH = "/console/static/"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file for browsers.

    Attributes:
        version: Start of the SHA-256 of its bytes; part of its URL, so it may be cached for ever.
    """

    media_type: str
    version: str
    content: bytes


@cache
def load_assets() -> Mapping[str, Asset]:
    """Read every stylesheet, script and drawing under `static/`, by relative path."""
    root = _HERE / "static"
    return {
        path.relative_to(root).as_posix(): _asset(path)
        for path in sorted(root.rglob("*"))
        if path.suffix in _TYPES
    }


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    version = sha256(content).hexdigest()[:12]
    return Asset(_TYPES[path.suffix], version, content)


def render(template: str, context: Mapping[str, object]) -> str:
    """Fill a template; a name it does not get is an error. What is no markup of ours is escaped."""
    return _templates().get_template(template).render(context)


@cache
def _templates() -> jinja2.Environment:
    """Make the environment that templates are compiled in, once each."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    # Jinja declares both as mappings of its own functions only
    names = cast("dict[str, object]", templates.globals)
    names |= {"asset": _url, "may_be_undone": may_be_undone}
    filters = {function.__name__: function for function in _FILTERS}
    cast("dict[str, object]", templates.filters).update(filters)
    return templates


def _url(name: str) -> str:
    return f"{STATIC_PATH}{name}?v={load_assets()[name].version}"


_FILTERS = (
    one_line,
    scores.chance,
    scores.score,
    scores.signed_score,
    scores.span,
    text.byte_size,
    text.cents,
    text.clock_time,
    text.coefficient,
    text.count,
    text.difference,
    text.duration,
    text.instant,
    text.instant_exact,
    text.list_price,
    text.mark,
    text.share,
    text.usd,
    text.usd_about,
    text.usd_exact,
)

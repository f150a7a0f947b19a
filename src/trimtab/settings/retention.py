"""The section `retention` of the file, and what a tenant says of it: how long what is kept."""

import re
from collections.abc import Mapping

from trimtab.domain.retention import MOST_DAYS, Retention
from trimtab.domain.yaml_tree import Faults, Node, Wrong
from trimtab.settings.fields import Read, members, scalar

_SPAN = re.compile(r"([0-9]{1,4})d")


def read_retention(node: Node, faults: Faults) -> Retention:
    """Read the section."""
    return Retention(**(members(node, faults, _SITE) or {}))


def read_content_days(node: Node, faults: Faults) -> int | None:
    """Read for how many days content of one tenant is kept."""
    given: dict[str, int] = members(node, faults, {"content": _days}) or {}
    return given.get("content")


def _days(node: Node, _faults: Faults) -> int:
    written = scalar(node).text
    match = _SPAN.fullmatch(written)
    if match is None or int(match[1]) > MOST_DAYS:
        raise Wrong(f"{written!r} is not between 0d and {MOST_DAYS}d; write it as 30d")
    return int(match[1])


_SITE: Mapping[str, Read] = dict.fromkeys(Retention.__struct_fields__, _days)

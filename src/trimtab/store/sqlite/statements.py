"""SQL lives in `.sql` files, every statement under a line `-- name: NAME`."""

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def statements(file: str) -> Mapping[str, str]:
    """Read the statements of `store/sql/FILE.sql` by name."""
    text = (files("trimtab.store") / "sql" / f"{file}.sql").read_text()
    _, *parts = _NAME.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))

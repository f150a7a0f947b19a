"""SQL lives in `.sql` files, every statement under a line `-- name: NAME`."""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def statements(file: str, **columns: Sequence[str]) -> Mapping[str, str]:
    """Read the statements of `store/sql/FILE.sql` by name.

    Args:
        file: Path below `store/sql`, without its ending.
        columns: Lists of columns by name: `/*name*/` in a statement stands for the list, and
            `/*name?*/` for as many parameters.
    """
    text = (files("trimtab.store") / "sql" / f"{file}.sql").read_text()
    for name, listed in columns.items():
        text = text.replace(f"/*{name}*/", ", ".join(listed))
        text = text.replace(f"/*{name}?*/", ", ".join("?" for _ in listed))
    _, *parts = _NAME.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))

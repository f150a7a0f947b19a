"""Structs as rows of a table with one column for each member, and back."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T", bound=Struct)
Row = tuple[Any, ...]


class Table(Generic[T]):
    """How a struct lies in a table.

    Attributes:
        columns: Names of its members, in order.
        row: Gives the values of a struct in that order.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self.columns: Sequence[str] = kind.__struct_fields__
        self.row: Callable[[T], Row] = attrgetter(*kind.__struct_fields__)

    def struct(self, row: Row) -> T:
        """Make the struct of a row. SQLite keeps truth as 0 and 1."""
        members = dict(zip(self.columns, row, strict=True))
        return msgspec.convert(members, self._kind, strict=False, builtin_types=(bytes,))

from collections.abc import Mapping, Sequence
from typing import Any

from clickhouse_connect.driver.insert import InsertContext

class QueryResult:
    @property
    def result_rows(self) -> Sequence[tuple[Any, ...]]: ...

class Client:
    def query(
        self,
        query: str,
        parameters: dict[str, Any] | None = ...,
        settings: dict[str, int] | None = ...,
        *,
        column_formats: Mapping[str, str | dict[str, str]] | None = ...,
    ) -> QueryResult: ...
    def command(
        self,
        cmd: str,
        parameters: dict[str, Any] | None = ...,
        *,
        settings: dict[str, Any] | None = ...,
    ) -> object: ...
    def create_insert_context(
        self,
        table: str,
        column_names: Sequence[str],
        *,
        column_type_names: Sequence[str],
        data: Sequence[tuple[Any, ...]],
    ) -> InsertContext: ...
    def raw_insert(
        self,
        table: str,
        column_names: Sequence[str],
        insert_block: bytes,
        settings: dict[str, int],
        fmt: str,
    ) -> object: ...
    def close(self) -> None: ...

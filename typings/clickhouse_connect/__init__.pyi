from collections.abc import Mapping

from clickhouse_connect.driver.client import Client

def get_client(
    *,
    interface: str,
    path: str = ...,
    chdb_options: Mapping[str, str] | None = ...,
    host: str | None = ...,
    port: int | None = ...,
    username: str | None = ...,
    password: str = ...,
    database: str = ...,
    connect_timeout: int = ...,
    send_receive_timeout: int = ...,
    autogenerate_session_id: bool = ...,
) -> Client: ...

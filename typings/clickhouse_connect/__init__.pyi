from clickhouse_connect.driver.client import Client

def get_client(
    *,
    interface: str,
    path: str = ...,
    host: str | None = ...,
    port: int | None = ...,
    username: str | None = ...,
    password: str = ...,
    database: str = ...,
    connect_timeout: int = ...,
    send_receive_timeout: int = ...,
    autogenerate_session_id: bool = ...,
) -> Client: ...

"""Reading and answering requests that are no call of a provider, in JSON."""

from trimtab.domain.errors import InvalidRequest
from trimtab.gateway.reply import Message, Receive, Send


async def read_body(receive: Receive, most: int) -> bytes:
    """Read a body. Raises `InvalidRequest` if it is cut short or has more bytes than that."""
    data = b""
    while True:
        message = await receive()
        data += message.get("body", b"")
        if message["type"] == "http.disconnect" or len(data) > most:
            raise InvalidRequest(f"the body is cut short or above {most} bytes; send it whole")
        if not message.get("more_body"):
            return data


async def send_json(
    send: Send, status: int, data: bytes, more: list[tuple[bytes, bytes]] | None = None
) -> None:
    """Send an answer that is JSON, with more headers."""
    head: Message = {
        "type": "http.response.start",
        "status": status,
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(data)),
            *(more or []),
        ],
    }
    await send(head)
    await send({"type": "http.response.body", "body": data})

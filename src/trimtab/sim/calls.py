"""Every call the simulator saw, the latest of them with their bytes."""

from collections import deque
from typing import Any, NamedTuple

MOST_CALLS = 2_000
MOST_BYTES = 64 * 1024 * 1024

_HIDDEN = frozenset({b"authorization", b"cookie", b"x-api-key"})


class Seen(NamedTuple):
    """One call. `at_s` is Unix time."""

    at_s: float
    method: str
    path: str
    account: str
    headers: dict[bytes, bytes]
    body: bytes


class Calls:
    """State: the latest calls, and how many there were."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all calls."""
        self._seen: deque[Seen] = deque()
        self._bytes = 0
        self.count = 0

    def add(self, call: Seen) -> None:
        """Remember a call; the oldest are forgotten when there are too many."""
        self.count += 1
        self._seen.append(call)
        self._bytes += len(call.body)
        while len(self._seen) > MOST_CALLS or (self._bytes > MOST_BYTES and len(self._seen) > 1):
            self._bytes -= len(self._seen.popleft().body)

    def told(self) -> dict[str, Any]:
        """Give them as JSON values, oldest first; credentials and cookies are left out."""
        return {"count": self.count, "calls": [_told(call) for call in self._seen]}


def _told(call: Seen) -> dict[str, Any]:
    return {
        "time_us": round(call.at_s * 1_000_000),
        "method": call.method,
        "path": call.path,
        "account": call.account,
        "headers": {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in call.headers.items()
            if name not in _HIDDEN
        },
        "body": call.body.decode(errors="replace"),
    }

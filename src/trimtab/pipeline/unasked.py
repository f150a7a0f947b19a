"""Some targets refuse to be asked for usage in a stream: they are asked without, and estimated."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from trimtab.domain.model import Target, Wire
from trimtab.pipeline.handoff import Request, Route

OPTIONS = "stream_options"
MOST_TARGETS = 10_000

_members = msgspec.json.Decoder(dict[str, Raw])


class Unasked:
    """Targets that are not asked for usage. State: those that refused to be."""

    def __init__(self) -> None:
        self._targets: set[Target] = set()

    def body(self, route: Route, request: Request, body: bytes) -> bytes:
        """Take the question out of a request's body that the caller did not put in."""
        if route.target not in self._targets or not _ours(route, request):
            return body
        members: Mapping[str, Raw] = _members.decode(body)
        return msgspec.json.encode({name: raw for name, raw in members.items() if name != OPTIONS})

    def learn(self, route: Route, request: Request, refusal: str) -> bool:
        """Tell from a refusal whether the same request may pass without the question."""
        named = OPTIONS in refusal or "include_usage" in refusal
        if not named or route.target in self._targets or not _ours(route, request):
            return False
        if len(self._targets) >= MOST_TARGETS:
            self._targets.clear()
        self._targets.add(route.target)
        return True


def _ours(route: Route, request: Request) -> bool:
    asks = request.stream and route.adapter.wire is Wire.OPENAI_CHAT
    return asks and OPTIONS not in request.members

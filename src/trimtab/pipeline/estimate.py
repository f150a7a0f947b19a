"""What a request will use, before anybody knows: what is likely at most, and what is possible.

Likely is what a budget holds by default: the text at four bytes a token, corrected by what models
really read, and the output that is declared, else what 99 of 100 such answers stay below. Possible
is what a strict one holds: every byte of the body a token, and the longest answer of the model.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import product

import msgspec
from msgspec import Raw

from trimtab.domain.errors import FieldNotAllowed, MaximumUnknown
from trimtab.domain.usage import Usage, UsageSource
from trimtab.pipeline.handoff import Funded, Planned, Request, Route
from trimtab.pipeline.learnt import Learnt
from trimtab.providers.base import UNREADABLE

BYTES_PER_TOKEN = 4
READ_BY_MODELS = ("messages", "system", "tools", "input", "instructions")

UNDECLARED_OUTPUT = 1024
"""Output tokens that are held for a request which declares no maximum, while nothing is known."""

ADDED_UNSEEN = 4096
"""More than providers add to a body by themselves: marks of messages, how tools are called."""

LEAST_LEARNT_FROM = 100
"""Tokens of input; less is mostly what stands around the text."""

LEARN_ALL, LEARN_EVERY = 2048, 8

_IN_WHOLE = 256
_NOTHING = Raw(b"")
_CACHES = b'"cache_control"'
_MAXIMA = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_WITHOUT_OUTPUT = frozenset({"embeddings"})
_OPEN_TIERS = frozenset({None, "auto"})
_TYPES = re.compile(rb'"type":"([^"]*)"')
_UNTYPED = re.compile(rb'"(?:audio|image_url|image_embeds|input_audio|video_url|file_(?:id|url))":')
"""Members that some servers take without a type beside them."""
_TEXT = frozenset(
    b"text input_text output_text summary_text reasoning_text refusal message reasoning thinking"
    b" redacted_thinking tool_use tool_result function function_call function_call_output custom"
    b" custom_tool_call custom_tool_call_output ephemeral".split()
)
"""Kinds of content that are all there in the body, so that no token is without a byte."""


class Asked(msgspec.Struct, frozen=True):
    """The members of a body that its cost depends on."""

    n: int | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None

    @property
    def answers(self) -> int:
        """How many answers there will be."""
        return max(self.n or 1, 1)


_NOTHING_ASKED = Asked()


def floor_of(request: Request) -> int:
    """Estimate the tokens that a model reads of a request, from its bytes."""
    read = sum(len(memoryview(request.members.get(name, _NOTHING))) for name in READ_BY_MODELS)
    return -(-read // BYTES_PER_TOKEN)


def estimated_count(funded: Funded) -> bytes:
    """Answer a request to count tokens with the estimate that holds are made of."""
    return msgspec.json.encode({"input_tokens": funded.input_floor})


class Guess:
    """Says what a request will likely use.

    State: what was learnt, and of how many answers it might have been. Tokens of an answer that
    declared no maximum are kept by model and feature; tokens for each that was estimated of the
    input, in parts of 256, by the model that read them.
    """

    def __init__(self) -> None:
        self.outputs = Learnt()
        self.inputs = Learnt()
        self._answers = 0

    def usages(self, planned: Planned, floor: int) -> Iterator[tuple[Route, Usage]]:
        """Guess a usage at each target: nothing cached, every answer as long as it likely is."""
        request = planned.admitted.request
        members = request.members
        asked, declared = asked_of(members), _declared(members)
        writes = request.wire.is_anthropic and any(_CACHES in bytes(it) for it in members.values())
        learnt = None if declared else self.outputs.p99((planned.model.name, request.feature))
        for route in planned.all_routes():
            model = route.target.model
            parts = self.inputs.p99(model)
            read = floor if parts is None else -(-floor * parts // _IN_WHOLE)
            longest = declared or _shortest(learnt, route.provider.maximum(model).output)
            yield (
                route,
                Usage(
                    source=UsageSource.ESTIMATED,
                    input_tokens=read,
                    cache_write_1h=read if writes else None,
                    output_tokens=_written(request, asked, longest),
                    service_tier=None if asked.service_tier == "auto" else asked.service_tier,
                    speed=asked.speed,
                    region=asked.inference_geo,
                ),
            )

    def learn(self, funded: Funded, route: Route, usage: Usage) -> None:
        """Learn from what an answer used, by the provider's own last word.

        More than a token a byte was no text. A declared maximum cuts answers, and several answers
        are told in one sum. Once enough is known, one answer of eight is looked at.
        """
        self._answers += 1
        if self._answers > LEARN_ALL and self._answers % LEARN_EVERY:
            return
        if usage.source is not UsageSource.PROVIDER or usage.inconsistent:
            return
        planned, floor, read = funded.screened.planned, funded.input_floor, usage.input_tokens
        if floor >= LEAST_LEARNT_FROM and read and read <= BYTES_PER_TOKEN * floor:
            self.inputs.saw(route.target.model, -(-read * _IN_WHOLE // floor))
        request, wrote = planned.admitted.request, usage.output_tokens
        if wrote and "n" not in request.members and _declared(request.members) is None:
            self.outputs.saw((planned.model.name, request.feature), wrote)


def most_at(request: Request, route: Route, asked: Asked) -> Iterable[Usage]:
    """Say what a request can use at a target at most, in each kind of service it may be given.

    A declared maximum is not relied on: not every server heeds it.

    Raises:
        MaximumUnknown: nobody has said how much the model writes, or reads of what has no length.
        FieldNotAllowed: the provider may search and read as much as it likes.
    """
    for member, tool in request.server_tools:
        raise FieldNotAllowed(
            f"tool {tool!r} runs at the provider, which may read and search without an end, and a"
            " budget is `hold: strict`; leave it out, or ask for another budget",
            param=member,
        )
    read = _most_read(request, route)
    most = 0 if request.operation in _WITHOUT_OUTPUT else _most("output", route)
    tier = asked.service_tier
    tiers = (None, "priority", "fast") if tier in _OPEN_TIERS else (tier, None)
    regions = (None, "us") if asked.inference_geo is None else (asked.inference_geo,)
    for served, region in product(tiers, regions):
        yield Usage(
            source=UsageSource.ESTIMATED,
            input_tokens=read,
            output_tokens=_written(request, asked, most),
            service_tier=served,
            speed=asked.speed,
            region=region,
        )


def asked_of(members: Mapping[str, Raw]) -> Asked:
    """Read the members that the cost depends on."""
    found = {
        name: msgspec.json.decode(members[name])
        for name in Asked.__struct_fields__
        if name in members
    }
    if not found:
        return _NOTHING_ASKED
    try:
        return msgspec.convert(found, Asked)
    except msgspec.ValidationError:
        # The provider will say what is wrong with it.
        return _NOTHING_ASKED


def _written(request: Request, asked: Asked, longest: int) -> int:
    return 0 if request.operation in _WITHOUT_OUTPUT else longest * asked.answers


def _shortest(learnt: int | None, most: int | None) -> int:
    if learnt is None:
        return UNDECLARED_OUTPUT if most is None else most
    return learnt if most is None else min(learnt, most)


def _most_read(request: Request, route: Route) -> int:
    if not _is_all_there(request):
        return _most("input", route)
    size = sum(len(memoryview(it)) for it in request.members.values()) + ADDED_UNSEEN
    known = route.provider.maximum(route.target.model).input
    return size if known is None else min(size, known)


def _most(what: str, route: Route) -> int:
    maximum = route.provider.maximum(route.target.model)
    known = maximum.output if what == "output" else maximum.input
    if known is None:
        raise MaximumUnknown(
            f"nobody knows how many tokens of {what} target '{route.target}' takes at most, and a"
            f" budget is `hold: strict`; add it to `max_tokens` of provider"
            f" {route.provider.name!r}, or hold an estimate"
        )
    return known


def _is_all_there(request: Request) -> bool:
    """Whether all a model reads is in the body, byte for byte: no image, no file, no past."""
    if request.previous is not None:
        return False
    for name in READ_BY_MODELS:
        raw = request.members.get(name)
        if raw is None or name == "tools":
            continue
        try:
            # Written anew, for a type may be hidden in escapes and blanks.
            plain = msgspec.json.encode(msgspec.json.decode(raw))
        except UNREADABLE:
            return False
        if not _TEXT.issuperset(_TYPES.findall(plain)) or _UNTYPED.search(plain):
            return False
    return True


def _declared(members: Mapping[str, Raw]) -> int | None:
    for name in _MAXIMA:
        count = _count(members, name) if name in members else None
        if count:
            return count
    return None


def _count(members: Mapping[str, Raw], name: str) -> int | None:
    try:
        return msgspec.json.decode(members[name], type=int)
    except msgspec.DecodeError:
        return None

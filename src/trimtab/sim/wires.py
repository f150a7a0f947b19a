"""The wires of answers in text, each as the functions that read and write it."""

from collections.abc import Callable
from dataclasses import dataclass

from trimtab.sim import anthropic_reply, openai_reply, responses_reply
from trimtab.sim.bill import Usage
from trimtab.sim.cache import PrefixCache
from trimtab.sim.reply import Event, Reply
from trimtab.sim.request import Refused, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How one provider talks on one route.

    Attributes:
        count: Counts what is read, by the provider's own caching.
        whole: Writes a whole answer.
        stream: Writes the events of a streamed one.
        error: Writes the body of an error.
        call_id: Names an answer.
        id_header: The header that names a call.
        error_event: An error in the middle of a stream.
        bad_line: An event of a stream that cannot be read.
        too_long: What it says about too long a prompt, of how many tokens and how many it may have.
        desk: Where the provider counts its calls.
    """

    count: Callable[[PrefixCache, str, Request], Usage]
    whole: Callable[[Reply], bytes]
    stream: Callable[[Reply], list[Event]]
    error: Callable[[Refused, str], bytes]
    call_id: Callable[[str], str]
    id_header: bytes
    error_event: bytes
    bad_line: bytes
    too_long: Callable[[int, int], Refused]
    desk: str = "completions"


def _openai_too_long(tokens: int, most: int) -> Refused:
    return Refused(
        400,
        f"This model's maximum context length is {most} tokens. "
        f"However, your messages resulted in {tokens} tokens.",
        code="context_length_exceeded",
        param="messages",
    )


def _anthropic_too_long(tokens: int, most: int) -> Refused:
    return Refused(400, f"prompt is too long: {tokens} tokens > {most} maximum")


OPENAI = Wire(
    count=PrefixCache.read_automatic,
    whole=openai_reply.whole,
    stream=openai_reply.stream,
    error=openai_reply.error,
    call_id=openai_reply.call_id,
    id_header=b"x-request-id",
    error_event=openai_reply.ERROR_EVENT,
    bad_line=openai_reply.BAD_LINE,
    too_long=_openai_too_long,
)
RESPONSES = Wire(
    count=PrefixCache.read_automatic,
    whole=responses_reply.whole,
    stream=responses_reply.stream,
    error=openai_reply.error,
    call_id=responses_reply.call_id,
    id_header=b"x-request-id",
    error_event=responses_reply.ERROR_EVENT,
    bad_line=responses_reply.BAD_LINE,
    too_long=_openai_too_long,
)
ANTHROPIC = Wire(
    count=PrefixCache.read_marked,
    whole=anthropic_reply.whole,
    stream=anthropic_reply.stream,
    error=anthropic_reply.error,
    call_id=anthropic_reply.call_id,
    id_header=b"request-id",
    error_event=anthropic_reply.ERROR_EVENT,
    bad_line=anthropic_reply.BAD_LINE,
    too_long=_anthropic_too_long,
    desk="messages",
)

"""Going on with a text that was cut: who may, and what is asked."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from trimtab.domain.model import AfterFirstToken, Wire
from trimtab.pipeline.handoff import Planned, Request
from trimtab.pipeline.transcript import Transcript

_PLAIN = {
    Wire.OPENAI_CHAT: frozenset(
        {
            "model",
            "messages",
            "stream",
            "stream_options",
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "top_p",
            "user",
            "safety_identifier",
            "metadata",
            "store",
            "stop",
            "trimtab",
        }
    ),
    Wire.ANTHROPIC_MESSAGES: frozenset(
        {
            "model",
            "messages",
            "system",
            "stream",
            "max_tokens",
            "temperature",
            "top_p",
            "top_k",
            "metadata",
            "stop_sequences",
            "trimtab",
        }
    ),
}
"""Members that leave an answer plain text. With any other, such as tools, nothing is continued."""

_messages = msgspec.json.Decoder(list[Raw])


def continued(planned: Planned, cut: Transcript) -> Mapping[str, Raw] | None:
    """Give the members that ask for the rest of a cut answer; `None` if it must not go on.

    The answer so far becomes the last message, which the target goes on with. A text that ends in
    a blank is not continued: providers refuse such a message, and without the blank words fuse.
    Nor is one whose error event the caller has seen.
    """
    request = planned.admitted.request
    text = cut.plain_text()
    if (
        planned.model.fallback.after_first_token is not AfterFirstToken.CONTINUE
        or not _is_plain(request)
        or cut.failed is not None
        or not text
        or text != text.rstrip()
    ):
        return None
    said = msgspec.json.encode({"role": "assistant", "content": text})
    messages = [*_messages.decode(request.members["messages"]), Raw(said)]
    return {**request.members, "messages": Raw(msgspec.json.encode(messages))}


def _is_plain(request: Request) -> bool:
    return request.members.keys() <= _PLAIN.get(request.wire, frozenset())

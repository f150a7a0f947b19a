"""`POST /v1/moderations`: a category is flagged if the text names it. It is free.

https://platform.openai.com/docs/api-reference/moderations
"""

from typing import Any
from zlib import crc32

import msgspec
from msgspec import Struct

from trimtab.sim.models import Task, find
from trimtab.sim.openai_request import missing_model
from trimtab.sim.reply import Reply, to_json
from trimtab.sim.request import Refused, Request

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)

_SURE, _MOST_UNSURE = 0.98, 0.01


class _ImageUrl(Struct):
    url: str


class _Part(Struct):
    type: str
    text: str = ""
    image_url: _ImageUrl | None = None


class _Body(Struct):
    input: str | list[str | _Part]
    model: str = "sim/moderation"


_decode = msgspec.json.Decoder(_Body).decode


def read_moderation(body: bytes) -> Request:
    """Read a call.

    Raises:
        Refused: it is not one this wire allows, or the model does not exist.
    """
    try:
        said = _decode(body)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Refused(400, f"the body cannot be read: {exc}") from exc
    name, _, fault = said.model.partition("!")
    served = find(name, Task.MODERATE)
    if served is None:
        raise missing_model(name)
    texts = _texts(said.input)
    if not texts:
        raise Refused(400, "'input' must not be empty.", param="input")
    return Request(served=served, prompt="".join(texts), fault=fault, moderated=texts)


def told(reply: Reply, seed: int) -> bytes:
    """Write the answer."""
    return to_json(
        {
            "id": f"modr-{reply.unique}",
            "model": reply.model,
            "results": [_judged(text, seed) for text in reply.request.moderated],
        }
    )


def _texts(given: str | list[str | _Part]) -> tuple[str, ...]:
    """Give the texts that are judged apart; the parts of one message are judged together."""
    if isinstance(given, str):
        return (given,) if given else ()
    parts = [each for each in given if isinstance(each, _Part)]
    if parts:
        return (" ".join(part.text for part in parts),)
    return tuple(each for each in given if isinstance(each, str))


def _judged(text: str, seed: int) -> dict[str, Any]:
    lower = text.lower()
    categories = {name: name in lower for name in CATEGORIES}
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": {
            name: _SURE if flagged else _unsure(name + text, seed)
            for name, flagged in categories.items()
        },
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }


def _unsure(text: str, seed: int) -> float:
    return round(crc32(text.encode(), seed & 0xFFFFFFFF) / 2**32 * _MOST_UNSURE, 6)

"""`POST /v1/embeddings`: vectors of hashed three-letter sequences, so near texts are near.

https://platform.openai.com/docs/api-reference/embeddings
"""

import math
from array import array
from base64 import b64encode
from zlib import crc32

import msgspec
from msgspec import Struct

from trimtab.sim.bill import Usage
from trimtab.sim.models import Task, find
from trimtab.sim.openai_request import missing_model
from trimtab.sim.reply import Reply, to_json, told_usage
from trimtab.sim.request import Refused, Request, Vectors
from trimtab.sim.text import tokens_of

DIMENSIONS = 256
MOST_DIMENSIONS = 3_072
MOST_INPUTS = 2_048

_GRAM = 3


class _Body(Struct):
    model: str
    input: str | list[str | int | list[int]]
    encoding_format: str | None = None
    dimensions: int | None = None


_decode_body = msgspec.json.Decoder(_Body).decode


def read_embed(body: bytes) -> Request:
    """Read a call.

    Raises:
        Refused: it is not one this wire allows, or the model does not exist.
    """
    try:
        said = _decode_body(body)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Refused(400, f"the body cannot be read: {exc}") from exc
    name, _, fault = said.model.partition("!")
    served = find(name, Task.EMBED)
    if served is None:
        raise missing_model(name)
    dimensions = DIMENSIONS if said.dimensions is None else said.dimensions
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise Refused(400, f"between 1 and {MOST_DIMENSIONS} please", param="dimensions")
    texts = tuple(_texts(said.input))
    if not texts or len(texts) > MOST_INPUTS or not all(texts):
        raise Refused(400, f"1 to {MOST_INPUTS} texts, none of them empty", param="input")
    vectors = Vectors(texts, dimensions, said.encoding_format == "base64")
    return Request(served=served, prompt="".join(texts), fault=fault, vectors=vectors)


def count(request: Request) -> Usage:
    """Count the tokens of all texts."""
    texts = request.vectors.texts if request.vectors else ()
    return Usage(input=sum(tokens_of(text) for text in texts))


def told(reply: Reply, seed: int) -> bytes:
    """Write the answer."""
    asked = reply.request.vectors or Vectors((), DIMENSIONS, base64=False)
    vectors = [vector(text, asked.dimensions, seed) for text in asked.texts]
    body: dict[str, object] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": place, "embedding": _packed(each, base64=asked.base64)}
            for place, each in enumerate(vectors)
        ],
        "model": reply.model,
    }
    tokens = reply.usage.input
    usage = told_usage({"prompt_tokens": tokens, "total_tokens": tokens}, reply.request.faults)
    return to_json(body if usage is None else {**body, "usage": usage})


def vector(text: str, dimensions: int, seed: int) -> list[float]:
    """Embed a text: a vector of length 1. Texts that share sequences of letters are near."""
    found = [0.0] * dimensions
    padded = f"  {text.lower()} "
    for at in range(len(padded) - _GRAM + 1):
        hashed = crc32(padded[at : at + _GRAM].encode(), seed & 0xFFFFFFFF)
        found[(hashed >> 1) % dimensions] += 1.0 if hashed & 1 else -1.0
    length = math.sqrt(sum(part * part for part in found))
    if not length:
        found[0] = length = 1.0
    return [part / length for part in found]


def _texts(given: str | list[str | int | list[int]]) -> list[str]:
    """Give texts as they are, and token numbers as text; a list of numbers is one text."""
    if isinstance(given, str):
        return [given]
    if given and all(isinstance(each, int) for each in given):
        return [" ".join(map(str, given))]
    return [" ".join(map(str, each)) if isinstance(each, list) else str(each) for each in given]


def _packed(found: list[float], *, base64: bool) -> list[float] | str:
    return b64encode(array("f", found).tobytes()).decode() if base64 else found

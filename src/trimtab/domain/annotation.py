"""What arrives about a request after it ended; append-only, as records are."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Annotated as Meant

from msgspec import Meta, Struct

from trimtab.domain.ids import ulid
from trimtab.domain.record import Blob, RequestRecord

PREFIX = "n_"

# `$` alone lets a line end behind it.
Name = Meant[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$(?!\n)")]
Text = Meant[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Words = Meant[str, Meta(min_length=1, max_length=8_000)]
Figure = Meant[float, Meta(ge=-1e9, le=1e9)]


class AnnotationKind(StrEnum):
    """What an annotation is."""

    EVALUATION = "evaluation"
    FEEDBACK = "feedback"
    LABEL = "label"
    OUTCOME = "outcome"
    LINK = "link"


class AnnotationSource(StrEnum):
    """Who said it."""

    JUDGE = "judge"
    USER = "user"
    REVIEWER = "reviewer"
    APP = "app"


class Annotation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fact about a request that came later.

    A later one of the same request, kind, name and source corrects it; both stay.

    Attributes:
        text_ref: Ref of what was said in words. It lies with the content of the request, and goes
            with it.
        author: Who of the source: a person, or the model that judged.
        version: Of what made it; scores of different versions do not compare.
        probability: With which the request was chosen: in a rate it counts 1/probability times.
    """

    annotation_id: str
    request_id: str
    tenant_id: str
    ts_us: int
    kind: str
    name: str
    score: float | None = None
    label: str | None = None
    text_ref: bytes | None = None
    source: str
    author: str | None = None
    version: str | None = None
    probability: float | None = None


class Remark(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody who operates the system says of a request.

    Attributes:
        text: In words; kept as the tenant's content is.
    """

    name: Name
    score: Figure | None = None
    label: Text | None = None
    text: Words | None = None


class Annotated(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An annotation on its way to the store and to exporters, with what they know its request by.

    Attributes:
        request_us: When the request began: its content is kept by that day.
        span_id: The span of the attempt that answered.
        content: Blobs of what was said in words.
        claimed: Whether nobody has seen yet that the request is the tenant's.
    """

    annotation: Annotation
    request_us: int
    trace_id: str = ""
    span_id: str = ""
    response_id: str | None = None
    env: str = "production"
    content: tuple[Blob, ...] = ()
    claimed: bool = False


def annotation_id(record: RequestRecord, *said: str) -> str:
    """Derive an id from a request and what makes an annotation one: it is stored once, then."""
    made_of = sha256("\0".join((record.request_id, *said)).encode()).digest()
    return PREFIX + ulid(record.ts_us // 1000, lambda size: made_of[:size])


def latest(annotations: Iterable[Annotation]) -> Sequence[Annotation]:
    """Leave out what was corrected, of annotations in the order they came in."""
    last = {(it.request_id, it.kind, it.name, it.source): it for it in annotations}
    return tuple(last.values())

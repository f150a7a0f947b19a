"""Reading request headers: the few that mean something to Trimtab; every other one stops here."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, NoReturn
from urllib.parse import parse_qsl

from msgspec import Struct

from trimtab.domain.errors import InvalidRequest, Unauthenticated
from trimtab.domain.ids import SpanId, TraceId
from trimtab.domain.record import Origin
from trimtab.domain.retrieval import MOST_CHARS
from trimtab.domain.tenant import NAME
from trimtab.pipeline.handoff import PromptSaid

MAX_HEADER_BYTES = 32 * 1024
MAX_VALUE_CHARS = 256
MAX_LIST_CHARS = 8 * 1024
MAX_TAGS, MAX_TAG_CHARS = 16, 64
OF_KEYS = (b"authorization", b"x-api-key")
OF_TENANT = b"x-trimtab-tenant"

_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_DEADLINE_MS = re.compile(rb"[1-9][0-9]{0,8}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_PROMPT = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._-]{0,63})@(?P<version>[0-9A-Za-z.+-]{5,64})"
    r"(?:; label=(?P<label>[a-z][a-z0-9-]{0,31}))?; hash=(?P<hash>[0-9a-f]{12,64})"
    r"(?:; source=(?P<source>memory|live|disk|bundled))?"
)
_EVALUATION = re.compile(
    r"(?P<run>[A-Za-z0-9_-]{1,64})/(?P<case>[A-Za-z0-9._-]{1,80})"
    r"/(?P<arm>candidate|baseline|judge)/(?P<sample>[0-9]{1,4})"
)
_VALUE = re.compile(r"[\x21-\x7e][\x20-\x7e]*")


class EvaluationSaid(NamedTuple):
    """What a call is said to evaluate.

    Attributes:
        origin: `eval`, or `judge` for a call that scores an answer.
        place: Run, case, arm and sample, with slashes between.
    """

    origin: Origin
    place: str


class Headers(Struct, kw_only=True):
    """What the headers of a request say.

    Attributes:
        deadline_s: Seconds in which the caller wants the whole answer.
        evaluation: The evaluation that the call is part of; `None` for users' traffic.
        trace_flags: Flags of the caller's trace.
        tracestate: As it came, not looked at.
        baggage: As it came, not looked at.
        keep: Whether the trace shall be exported in any case.
        betas: Values of the beta headers.
        documents: What the caller found for its question; read once its key is known.
        forwarded: Headers of the wire itself that go along to the provider.
    """

    key: str = ""
    trace_id: TraceId | None = None
    parent_span_id: SpanId | None = None
    trace_flags: int = 0
    tracestate: str = ""
    baggage: str = ""
    keep: bool = False
    feature: str | None = None
    user: str | None = None
    conversation: str | None = None
    tenant: str | None = None
    client_retry: int | None = None
    deadline_s: float = math.inf
    idempotency_key: str | None = None
    evaluation: EvaluationSaid | None = None
    tags: Mapping[str, str] | None = None
    documents: str | None = None
    betas: tuple[str, ...] = ()
    prompt: PromptSaid | None = None
    anthropic: bool = False
    trace_seen: bool = False
    forwarded: tuple[tuple[str, str], ...] = ()


def read(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Read the headers of a request.

    Raises:
        Unauthenticated: two different keys were presented.
        InvalidRequest: an unknown `x-trimtab-` header, or a value that cannot be one.
    """
    out = Headers()
    ours: set[bytes] = set()
    for name, value in raw:
        reader = _READERS.get(name)
        if reader is not None:
            if name in _ONCE:
                if name in ours:
                    raise InvalidRequest(f"{name.decode()} was sent twice; send one")
                ours.add(name)
            reader(out, name, value)
        elif name.startswith(b"x-trimtab-"):
            _read_unknown(name)
    return out


def _read_bearer(out: Headers, name: bytes, value: bytes) -> None:
    if value[:7].lower() == b"bearer ":
        _read_key(out, name, value[7:])


def _read_key(out: Headers, _name: bytes, value: bytes) -> None:
    key = value.strip().decode("latin-1")
    if out.key and out.key != key:
        raise Unauthenticated("two different API keys were sent; send one")
    out.key = key


def _read_forwarded(out: Headers, name: bytes, value: bytes) -> None:
    out.forwarded = (*out.forwarded, (name.decode(), _text(name, value)))
    out.anthropic = out.anthropic or name == b"anthropic-version"


def _read_beta(out: Headers, name: bytes, value: bytes) -> None:
    _read_forwarded(out, name, value)
    values = (beta.strip() for beta in value.decode("latin-1").split(","))
    out.betas = (*out.betas, *(beta for beta in values if beta))


def _read_ours(out: Headers, name: bytes, value: bytes) -> None:
    setattr(out, name.removeprefix(b"x-trimtab-").decode(), _text(name, value))


def _read_feature(out: Headers, name: bytes, value: bytes) -> None:
    out.feature = _text(name, value)
    if not NAME.fullmatch(out.feature):
        raise InvalidRequest(
            "header 'x-trimtab-feature' must be lower-case letters, digits, `.`, `_` or `-`",
            param="x-trimtab-feature",
        )


def _read_prompt(out: Headers, name: bytes, value: bytes) -> None:
    match = _PROMPT.fullmatch(value.decode("latin-1").strip())
    if match is None:
        raise InvalidRequest(
            f"header {name.decode()!r} must be as 'rag-answer@3.2.0; label=production;"
            " hash=74b300726fa8; source=memory'",
            param=name.decode(),
        )
    out.prompt = PromptSaid(
        name=match["name"],
        version=match["version"],
        label=match["label"],
        hash=match["hash"],
        source=match["source"] or "memory",
    )


def _read_evaluation(out: Headers, name: bytes, value: bytes) -> None:
    match = _EVALUATION.fullmatch(value.decode("latin-1").strip())
    if match is None:
        raise InvalidRequest(
            f"header {name.decode()!r} must be as 'ev_01JXC4/q-0017/candidate/0': run, case, arm"
            " (candidate, baseline or judge) and sample",
            param=name.decode(),
        )
    origin = Origin.JUDGE if match["arm"] == "judge" else Origin.EVAL
    out.evaluation = EvaluationSaid(origin, match[0])


def _read_tags(out: Headers, name: bytes, value: bytes) -> None:
    try:
        tags = dict(
            parse_qsl(
                value.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=MAX_TAGS,
            )
        )
    except ValueError:
        tags = {}
    if not tags or any(len(it) > MAX_TAG_CHARS for pair in tags.items() for it in pair):
        raise InvalidRequest(
            f"header {name.decode()!r} must be as 'team=search&build=42', percent-encoded: up to"
            f" {MAX_TAGS} pairs of {MAX_TAG_CHARS} characters",
            param=name.decode(),
        )
    out.tags = tags


def _read_documents(out: Headers, name: bytes, value: bytes) -> None:
    out.documents = _text(name, value, MOST_CHARS)


def _read_unknown(name: bytes) -> NoReturn:
    shown = name.decode("latin-1")[:64]
    raise InvalidRequest(
        f"header {shown!r} is not known; remove it or check its spelling", param=shown
    )


def _read_trace(out: Headers, _name: bytes, value: bytes) -> None:
    """W3C Trace Context level 2: an invalid header is as good as none, and so are two.

    A version that is not known yet begins as ours does, and may go on.
    """
    match = _TRACEPARENT.fullmatch(value.decode("latin-1").strip())
    again = out.trace_seen
    out.trace_seen = True
    if again or match is None or (match[1] == "00" and match[5]):
        out.trace_id = out.parent_span_id = None
    else:
        out.trace_id, out.parent_span_id = TraceId(match[2]), SpanId(match[3])
        out.trace_flags = int(match[4], 16)


def _read_list(out: Headers, name: bytes, value: bytes) -> None:
    """Lists that come in several headers are one list, as HTTP says."""
    before = out.baggage if name == b"baggage" else out.tracestate
    text = f"{before},{value.decode('latin-1')}"[:MAX_LIST_CHARS].strip(",")
    setattr(out, name.decode(), text)


def _read_keep(out: Headers, name: bytes, value: bytes) -> None:
    if value.strip() != b"1":
        raise InvalidRequest(f"header {name.decode()!r} must be 1", param=name.decode())
    out.keep = True


def _read_retry(out: Headers, _name: bytes, value: bytes) -> None:
    if value.isdigit():
        out.client_retry = min(int(value[:3]), 99)


def _read_deadline(out: Headers, name: bytes, value: bytes) -> None:
    if not _DEADLINE_MS.fullmatch(value):
        raise InvalidRequest(
            f"header {name.decode()!r} must be whole milliseconds, 1 to 999999999",
            param=name.decode(),
        )
    out.deadline_s = int(value) / 1000


def _read_idempotency_key(out: Headers, name: bytes, value: bytes) -> None:
    out.idempotency_key = value.decode("latin-1")
    if not _IDEMPOTENCY_KEY.fullmatch(out.idempotency_key):
        raise InvalidRequest(
            f"header {name.decode()!r} must be 1 to 255 visible ASCII characters",
            param=name.decode(),
        )


def _text(name: bytes, value: bytes, most: int = MAX_VALUE_CHARS) -> str:
    text = value.decode("latin-1").strip()
    if len(text) > most or not _VALUE.fullmatch(text):
        raise InvalidRequest(
            f"header {name.decode()!r} must be 1 to {most} visible ASCII characters",
            param=name.decode(),
        )
    return text


_READERS: Mapping[bytes, Callable[[Headers, bytes, bytes], None]] = {
    b"authorization": _read_bearer,
    b"x-api-key": _read_key,
    b"anthropic-version": _read_forwarded,
    b"anthropic-beta": _read_beta,
    b"openai-beta": _read_beta,
    b"idempotency-key": _read_idempotency_key,
    b"traceparent": _read_trace,
    b"tracestate": _read_list,
    b"baggage": _read_list,
    b"x-trimtab-keep": _read_keep,
    b"x-stainless-retry-count": _read_retry,
    b"x-trimtab-feature": _read_feature,
    b"x-trimtab-prompt": _read_prompt,
    b"x-trimtab-eval": _read_evaluation,
    b"x-trimtab-tags": _read_tags,
    b"x-trimtab-documents": _read_documents,
    b"x-trimtab-user": _read_ours,
    b"x-trimtab-conversation": _read_ours,
    b"x-trimtab-deadline-ms": _read_deadline,
    OF_TENANT: _read_ours,
}
"""Every header that is read; the rest stops here."""

_ONCE = frozenset(
    name for name in _READERS if name.startswith(b"x-trimtab-") or name == b"idempotency-key"
)

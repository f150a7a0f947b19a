"""The record: all that is remembered about a request. Everything else is derived from it.

Times are microseconds since the Unix epoch (`_us`), money is nano-USD (`_nano`), tokens are
counts in which `input_tokens` includes cached ones. `None` is unknown, zero is zero.
"""

from enum import StrEnum

from msgspec import Struct

from trimtab.domain.trace_context import TraceContext

SCHEMA_VERSION = 1

REHYDRATED = "rehydrated:"
"""Begins the rule of a trace that was dropped and exported later; why comes behind it."""


class Origin(StrEnum):
    """Why a request ran. Only `live` is billed and measured as users' traffic."""

    LIVE = "live"
    SHADOW = "shadow"
    CANARY = "canary"
    EVAL = "eval"
    JUDGE = "judge"
    REPLAY = "replay"
    DRILL = "drill"


class Status(StrEnum):
    """How a request ended."""

    OK = "ok"
    ERROR = "error"
    BLOCKED = "blocked"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    TRUNCATED = "truncated"
    LOST = "lost"


class ContentState(StrEnum):
    """How much of the content is in the content store."""

    FULL = "full"
    REDACTED = "redacted"
    TRUNCATED = "truncated"
    ABSENT = "absent"
    ERASED = "erased"


class Replay(StrEnum):
    """Whether the answer can be asked for again, byte for byte."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"


class StageTime(Struct, frozen=True, array_like=True):
    """When a stage of the request path began, counted from admission, and how long it took."""

    stage: str
    start_us: int
    dur_us: int


class PromptUse(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which version of which prompt made a request's messages, and how that was decided.

    Attributes:
        scope: In which scope the label pointed there.
        rendered_hash: SHA-256 of the rendered messages, hex; `None` if a client rendered them.
        source: Where who rendered it had the text from: `memory`, `live`, `disk`, `bundled`.
        reason: `exact version`, `label`, or `rendered by the client`.
        nonce: What fences around values were made of, hex: rendering again gives the same bytes.
        stale: Whether a label may have pointed elsewhere for more than half a minute.
    """

    name: str
    version: str
    hash: str
    label: str | None = None
    scope: str | None = None
    rendered_hash: str | None = None
    source: str = "memory"
    reason: str = ""
    nonce: str = ""
    stale: bool = False


class Sampling(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """By what it was decided whether a trace is exported.

    Attributes:
        policy: Names the policy by its hash.
        slow_ms: The limit that made it slow.
    """

    policy: str
    slow_ms: int | None = None


class RequestRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request, once, for ever. Made in `settle`; what arrives later is an annotation.

    Attributes:
        adjusted_count: How many requests its trace stands for if it was kept; 0 if nobody knows.
    """

    request_id: str
    schema_version: int = SCHEMA_VERSION
    ts_us: int
    end_us: int
    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    tracestate: str | None = None
    env: str = "production"
    worker_id: str
    config_seq: int
    origin: str = "live"
    origin_request_id: str | None = None
    idempotency_key_hash: str | None = None
    client_retry: int | None = None
    tenant_id: str
    tier: str
    key_id: str
    feature: str = "default"
    conversation_id: str | None = None
    tags: str | None = None
    user_hash: str | None = None
    operation: str
    wire: str
    stream: bool = False
    model_requested: str
    model_kind: str = ""
    target: str = ""
    provider: str = ""
    model_response: str | None = None
    response_id: str | None = None
    finish_reasons: str = ""
    refusal: bool | None = None
    params: str = "{}"
    tools_ref: bytes | None = None
    tool_call_count: int = 0
    prompt_name: str | None = None
    prompt_version: str | None = None
    prompt_label: str | None = None
    prompt_hash: str | None = None
    prompt_vars_ref: bytes | None = None
    experiment: str | None = None
    arm: str | None = None
    assign_reason: str | None = None
    retrieval_source: str = "none"
    index_name: str | None = None
    index_build_date: str | None = None
    embedding_model: str | None = None
    query_embedding_ref: bytes | None = None
    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_tokens: int | None = None
    usage_source: str = "none"
    cost_nano: int | None = None
    cost_input_nano: int | None = None
    cost_cached_nano: int | None = None
    cost_cache_write_nano: int | None = None
    cost_output_nano: int | None = None
    cost_other_nano: int | None = None
    price_version: str | None = None
    hold_nano: int | None = None
    budget_left_nano: int | None = None
    funded_model: str | None = None
    latency_us: int
    ttft_us: int | None = None
    guard_us: int = 0
    provider_us: int = 0
    overhead_us: int = 0
    retrieval_us: int | None = None
    guardrail_decision: str = "allow"
    guard_failed: bool = False
    policy_version: str | None = None
    canary_id: str | None = None
    judge_score: float | None = None
    status: str
    error_code: str | None = None
    http_status: int
    attempt_count: int = 0
    fallback_used: bool = False
    cache_hit: bool | None = None
    sampling_rule: str = "all"
    adjusted_count: float = 1.0
    trace_kept: bool = True
    input_ref: bytes | None = None
    output_ref: bytes | None = None
    received_ref: bytes | None = None
    content_state: str = "absent"
    content_bytes: int = 0
    replay: str = "none"
    replay_gaps: str = ""
    extra: str = "{}"


class Detail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The nested parts of a record; kept apart so that lists never read them.

    Attributes:
        skipped: Target and error code of those that could not do what was asked.
        dropped: Kinds of members of the request that the target was asked without, because its
            wire has no words for them.
        shadowed: Limits that only count, and would have refused it.
        link: Trace and span of a caller that is not trusted to be the parent.
        baggage: Members of the caller's baggage that are let in.
    """

    stages: tuple[StageTime, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    prompt: PromptUse | None = None
    assignments: tuple[dict[str, str], ...] = ()
    retrieved: tuple[dict[str, str | float], ...] = ()
    findings: tuple[dict[str, str | int], ...] = ()
    screening: dict[str, str | int] | None = None
    dropped: tuple[str, ...] = ()
    shadowed: tuple[str, ...] = ()
    sampling: Sampling | None = None
    link: tuple[str, str] | None = None
    baggage: tuple[tuple[str, str], ...] = ()


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try at one target.

    Attributes:
        sent_hash: Keyed hash of the exact upstream body, hex: the proof that a replay is the same.
    """

    n: int
    target: str
    provider: str
    model_sent: str
    model_response: str | None = None
    started_us: int
    dur_us: int
    ttft_us: int | None = None
    http_status: int | None = None
    error_code: str | None = None
    raw_reason: str | None = None
    provider_request_id: str | None = None
    sent_hash: str = ""
    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    usage_source: str = "none"
    cost_nano: int | None = None
    cancelled: bool = False


class LedgerLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The append-only row that says what an attempt cost. `cost_nano` of `None` is unknown.

    Attributes:
        account: Reference to the credential it was sent with, `env:NAME` or `file:PATH`; nothing if
            it needed none. Older lines have its place in the list, and nothing for the first.
    """

    line_id: str
    kind: str = "charge"
    ts_us: int
    day_local: str
    config_seq: int
    tenant_id: str
    key_id: str
    feature: str
    user_hash: str | None = None
    conversation_id: str | None = None
    tags: str | None = None
    model_requested: str
    provider: str
    account: str = ""
    model_sent: str
    context: str = ""
    prompt_name: str | None = None
    prompt_version: str | None = None
    experiment: str | None = None
    arm: str | None = None
    origin: str = "live"
    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_5m: int | None = None
    cache_write_30m: int | None = None
    cache_write_1h: int | None = None
    cache_write_12h: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    extras: str = ""
    usage_source: str = "none"
    flags: str = ""
    cost_nano: int | None = None
    price_version: str | None = None
    price_row: str | None = None
    provider_request_id: str | None = None


class Blob(Struct, frozen=True, array_like=True):
    """A piece of content under its keyed hash.

    Attributes:
        codec: `raw` or `zstd`, followed by `+a256gcm` if it is sealed.
    """

    ref: bytes
    codec: str
    data: bytes


class Piece(Struct, frozen=True, array_like=True):
    """A piece of a manifest: bytes of its own, or the ref of a blob that holds them."""

    is_ref: bool
    data: bytes


class Begin(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Written before every attempt: what is known if the worker dies in it.

    Attributes:
        n: Number of the attempt.
        attempts: Those made before.
        lines: What they cost.
        account: See `LedgerLine.account`.
        input_floor: Input tokens estimated from the body, charged if nothing better is known.
        content: Blobs the input needs that this segment does not hold yet.
        held_nano: What every budget that it counts against holds for it, in nano-USD.
    """

    request_id: str
    ts_us: int
    trace_id: str
    config_seq: int
    tenant_id: str
    tier: str
    key_id: str
    feature: str
    operation: str
    wire: str
    stream: bool
    model_requested: str
    model_kind: str
    target: str
    provider: str
    model_sent: str
    account: str = ""
    input_floor: int
    day_local: str
    input_ref: bytes | None = None
    sent_hash: str = ""
    content: tuple[Blob, ...] = ()
    n: int = 1
    attempts: tuple[Attempt, ...] = ()
    lines: tuple[LedgerLine, ...] = ()
    prompt: PromptUse | None = None
    origin: str = "live"
    held_nano: int = 0
    trace: TraceContext = TraceContext()


class Checkpoint(Struct, frozen=True, kw_only=True):
    """Written now and then while a stream runs: what has been produced so far."""

    request_id: str
    output_tokens: int


class Finish(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Written before the last byte of the answer: the whole outcome.

    Attributes:
        day_local: ISO date of admission where the tenant lives; empty is that of UTC.
    """

    record: RequestRecord
    day_local: str = ""
    detail: Detail = Detail()
    attempts: tuple[Attempt, ...] = ()
    lines: tuple[LedgerLine, ...] = ()
    content: tuple[Blob, ...] = ()


class Note(Struct, frozen=True, kw_only=True):
    """Counters of what was not written as a record of its own, by reason."""

    ts_us: int
    counts: dict[str, int]


class Correction(Struct, frozen=True, kw_only=True):
    """Why lines were added to the ledger that no request wrote, which name its change.

    Or why counters of budgets were set to what the ledger says.

    Attributes:
        what: What found that lines or counters were off.
        n: How many lines were added, or counters set right.
        difference_nano: What they add up to.
    """

    what: str
    n: int
    difference_nano: int

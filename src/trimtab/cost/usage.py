"""The only reader of providers' usage objects: from either wire to one `Usage`.

Numbers of providers are believed only as far as they make sense. What is no count at all is
unknown; what contradicts itself is normalised to the reading that costs more; both are marked
`inconsistent`, and nothing ever raises.

Wire facts: https://platform.openai.com/docs/api-reference/chat/object, .../responses/object and
.../embeddings/create, and https://docs.anthropic.com/en/api/messages. In a stream reports are
cumulative and the last wins, field by field; the first report of an Anthropic stream has a
placeholder for its output.
"""

from collections.abc import Sequence
from types import NoneType
from typing import Annotated, Any, TypeVar, cast, get_args

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from trimtab.domain.chat import UsageReport
from trimtab.domain.model import Wire
from trimtab.domain.usage import Usage, UsageSource

_MOST = 10**12
"""More tokens than any answer can have: a count beyond it is no count."""

_DIGITS = 13

Count = Annotated[int, Meta(ge=0, le=_MOST)] | None


class _OpenAIInput(Struct):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None


class _OpenAIOutput(Struct):
    reasoning_tokens: Count = None
    audio_tokens: Count = None


class _OpenAI(Struct):
    """`prompt_cache_hit_tokens` and the outer `cached_tokens` are compatible servers' dialects."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: _OpenAIInput | None = None
    completion_tokens_details: _OpenAIOutput | None = None
    prompt_cache_hit_tokens: Count = None
    cached_tokens: Count = None
    service_tier: str | None = None


class _ResponsesWrites(Struct):
    ttl_30m_tokens: Count = None
    ttl_12h_tokens: Count = None


class _ResponsesInput(Struct):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cache_write_tokens_details: _ResponsesWrites | None = None


class _ResponsesOutput(Struct):
    reasoning_tokens: Count = None


class _Responses(Struct):
    input_tokens: Count = None
    output_tokens: Count = None
    total_tokens: Count = None
    input_tokens_details: _ResponsesInput | None = None
    output_tokens_details: _ResponsesOutput | None = None


class _AnthropicWrites(Struct):
    ephemeral_5m_input_tokens: Count = None
    ephemeral_1h_input_tokens: Count = None


class _AnthropicOutput(Struct):
    thinking_tokens: Count = None


class _AnthropicTools(Struct):
    web_search_requests: Count = None


class _Anthropic(Struct):
    input_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_creation: _AnthropicWrites | None = None
    output_tokens: Count = None
    output_tokens_details: _AnthropicOutput | None = None
    server_tool_use: _AnthropicTools | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None


_S = TypeVar("_S", bound=Struct)

_NOTHING = Usage(source=UsageSource.NONE)
_OPENAI = msgspec.json.Decoder(_OpenAI)
_RESPONSES = msgspec.json.Decoder(_Responses)
_ANTHROPIC = msgspec.json.Decoder(_Anthropic)


def read_reports(wire: Wire, reports: Sequence[UsageReport]) -> Usage | None:
    """Read all reports of one attempt, oldest first; `None` if they tell neither side's tokens."""
    usage: Usage | None = None
    for report in reports:
        match wire:
            case Wire.OPENAI_CHAT:
                tier = report.service_tier
                usage = read_openai_chat(report.raw, usage, final=report.final, service_tier=tier)
            case Wire.OPENAI_RESPONSES:
                usage = read_openai_responses(report.raw, service_tier=report.service_tier)
            case Wire.OPENAI_EMBEDDINGS:
                usage = read_openai_embeddings(report.raw)
            case Wire.ANTHROPIC_MESSAGES:
                usage = read_anthropic(report.raw, usage, final=report.final)
            case Wire.OPENAI_MODERATIONS | Wire.ANTHROPIC_COUNT_TOKENS:
                pass
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    return usage


def read_openai_chat(
    raw: bytes,
    previous: Usage | None = None,
    *,
    final: bool = True,
    service_tier: str | None = None,
) -> Usage:
    """Read a `usage` of chat completions. What it leaves out, `previous` still tells.

    Args:
        raw: The object, as JSON.
        previous: What earlier reports of the stream said.
        final: Whether the provider has said its last word.
        service_tier: The tier that was served; this wire tells it beside the usage.
    """
    said, broken = _decode(_OPENAI, raw)
    before = previous or _NOTHING
    read = said.prompt_tokens_details or _OpenAIInput()
    wrote = said.completion_tokens_details or _OpenAIOutput()
    cached = _first(read.cached_tokens, said.prompt_cache_hit_tokens, said.cached_tokens)
    return _normalised(
        Usage(
            source=UsageSource.PROVIDER if final else UsageSource.PARTIAL,
            input_tokens=_first(said.prompt_tokens, before.input_tokens),
            cached_tokens=_first(cached, before.cached_tokens),
            cache_write_30m=_first(read.cache_write_tokens, before.cache_write_30m),
            output_tokens=_first(said.completion_tokens, before.output_tokens),
            reasoning_tokens=_first(wrote.reasoning_tokens, before.reasoning_tokens),
            audio_input_tokens=_first(read.audio_tokens, before.audio_input_tokens),
            audio_output_tokens=_first(wrote.audio_tokens, before.audio_output_tokens),
            image_tokens=_first(read.image_tokens, before.image_tokens),
            service_tier=said.service_tier or service_tier or before.service_tier,
            inconsistent=broken or before.inconsistent,
        ),
        said.total_tokens,
    )


def read_openai_responses(raw: bytes, *, service_tier: str | None = None) -> Usage:
    """Read a `usage` of responses, which is told once, at the end.

    Cache writes without a lifetime are of 30 minutes, as in chat completions.
    """
    said, broken = _decode(_RESPONSES, raw)
    read = said.input_tokens_details or _ResponsesInput()
    wrote = said.output_tokens_details or _ResponsesOutput()
    split = read.cache_write_tokens_details or _ResponsesWrites()
    twelve = split.ttl_12h_tokens
    thirty = split.ttl_30m_tokens
    if thirty is None and read.cache_write_tokens is not None:
        thirty = max(0, read.cache_write_tokens - (twelve or 0))
    return _normalised(
        Usage(
            source=UsageSource.PROVIDER,
            input_tokens=said.input_tokens,
            cached_tokens=read.cached_tokens,
            cache_write_30m=thirty,
            cache_write_12h=twelve,
            output_tokens=said.output_tokens,
            reasoning_tokens=wrote.reasoning_tokens,
            service_tier=service_tier,
            inconsistent=broken,
        ),
        said.total_tokens,
    )


def read_openai_embeddings(raw: bytes) -> Usage:
    """Read a `usage` of embeddings: that of chat completions, but nothing is ever written."""
    said, broken = _decode(_OPENAI, raw)
    given = _first(said.prompt_tokens, said.total_tokens)
    return _normalised(
        Usage(
            source=UsageSource.PROVIDER,
            input_tokens=given,
            output_tokens=None if given is None else 0,
            inconsistent=broken,
        ),
        said.total_tokens,
    )


def read_anthropic(raw: bytes, previous: Usage | None = None, *, final: bool = True) -> Usage:
    """Read a `usage` of messages. What it leaves out, `previous` still tells.

    Its `input_tokens` are the fresh ones only. Cache writes without a lifetime are of 5 minutes.
    """
    said, broken = _decode(_ANTHROPIC, raw)
    before = previous or _NOTHING
    tools = said.server_tool_use or _AnthropicTools()
    wrote = said.output_tokens_details or _AnthropicOutput()
    five, hour, split = _writes(said, before)
    cached = _first(said.cache_read_input_tokens, before.cached_tokens)
    fresh = said.input_tokens
    if fresh is None and before.input_tokens is not None:
        fresh = before.input_tokens - (before.cached_tokens or 0)
        fresh -= before.cache_write_tokens or 0
    return _normalised(
        Usage(
            source=UsageSource.PROVIDER if final else UsageSource.PARTIAL,
            input_tokens=None
            if fresh is None
            else fresh + (cached or 0) + (five or 0) + (hour or 0),
            cached_tokens=cached,
            cache_write_5m=five,
            cache_write_1h=hour,
            output_tokens=_first(said.output_tokens, before.output_tokens),
            reasoning_tokens=_first(wrote.thinking_tokens, before.reasoning_tokens),
            web_search_requests=_first(tools.web_search_requests, before.web_search_requests),
            service_tier=said.service_tier or before.service_tier,
            speed=said.speed or before.speed,
            region=said.inference_geo or before.region,
            inconsistent=broken or before.inconsistent or not split,
        ),
        None,
    )


def _writes(said: _Anthropic, before: Usage) -> tuple[int | None, int | None, bool]:
    """Cache writes of 5 minutes and of an hour, and whether their split fits their sum."""
    total, split = said.cache_creation_input_tokens, said.cache_creation
    if split is None:
        if total is None or total == before.cache_write_tokens:
            return before.cache_write_5m, before.cache_write_1h, True
        return total, 0, True
    five, hour = split.ephemeral_5m_input_tokens or 0, split.ephemeral_1h_input_tokens or 0
    rest = 0 if total is None else total - five - hour
    return five, hour + max(0, rest), rest == 0


def _normalised(usage: Usage, total: int | None) -> Usage:
    """Make the counts fit one another; say `partial` if one that every bill needs is missing."""
    given, output = usage.input_tokens, usage.output_tokens
    if given is None or output is None:
        return replace(usage, source=UsageSource.PARTIAL)
    reasoning = usage.reasoning_tokens or 0
    rest = 0 if total is None else total - given - output
    if reasoning and (rest == reasoning or reasoning > output):
        # Some providers count reasoning beside the output and not inside it.
        output += reasoning
        rest -= reasoning
    given += max(0, rest)
    parts = (usage.cached_tokens or 0) + (usage.cache_write_tokens or 0)
    fits = rest >= 0 and parts <= given
    if parts > given:
        given += parts
    if fits and given == usage.input_tokens and output == usage.output_tokens:
        return usage
    return replace(
        usage,
        input_tokens=given,
        output_tokens=output,
        inconsistent=usage.inconsistent or not fits,
    )


def _first(*counts: int | None) -> int | None:
    for count in counts:
        if count is not None:
            return count
    return None


def _decode(decoder: msgspec.json.Decoder[_S], raw: bytes) -> tuple[_S, bool]:
    """Read what can be read, and whether anything could not."""
    try:
        return decoder.decode(raw), False
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    return _salvage(value, decoder.type)


def _salvage(value: object, kind: type[_S]) -> tuple[_S, bool]:
    """Take the fields that make sense; the rest stays unknown."""
    if not isinstance(value, dict):
        return kind(), True
    members = cast("dict[str, Any]", value)
    taken: dict[str, Any] = {}
    broken = False
    for field in msgspec.structs.fields(kind):
        member = members.get(field.encode_name)
        if member is None:
            continue
        if field.type == Count:
            taken[field.name] = _count(member)
            broken |= taken[field.name] is None
        elif field.type == str | None:
            taken[field.name] = str(member)
        else:
            inner: type[Struct] = next(t for t in get_args(field.type) if t is not NoneType)
            taken[field.name], inner_broken = _salvage(member, inner)
            broken |= inner_broken
    return kind(**taken), broken


def _count(member: object) -> int | None:
    """Read a count: a whole number, also as a float or a string of digits; `None` if it is none."""
    match member:
        case bool():
            return None
        case int():
            count = member
        case float() if member.is_integer():
            count = int(member)
        case str() if member.isascii() and member.isdigit() and len(member) <= _DIGITS:
            count = int(member)
        case _:
            return None
    return count if 0 <= count <= _MOST else None

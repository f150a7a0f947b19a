"""Writes usage as a wire tells it, for callers whose provider told it on another.

Wire facts: https://platform.openai.com/docs/api-reference/chat/object, whose input includes what
was cached, and https://docs.anthropic.com/en/api/messages, whose input does not.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from trimtab.cost.usage import read_reports
from trimtab.domain.chat import UsageReport
from trimtab.domain.model import Wire
from trimtab.domain.usage import Usage


class _OpenAIInput(Struct, omit_defaults=True):
    cached_tokens: int | None = None


class _OpenAIOutput(Struct, omit_defaults=True):
    reasoning_tokens: int | None = None


class _OpenAI(Struct, omit_defaults=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _OpenAIInput | None = None
    completion_tokens_details: _OpenAIOutput | None = None


class _AnthropicOutput(Struct, omit_defaults=True):
    thinking_tokens: int | None = None


class _Anthropic(Struct, omit_defaults=True):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: _AnthropicOutput | None = None


def convert_usage(provider: Wire, caller: Wire, reports: Sequence[UsageReport]) -> Raw | None:
    """Write what a provider reported on its chat wire as the usage object of the caller's.

    Zero stays zero, and what is unknown stays out; `None` if nothing was reported.
    """
    usage = read_reports(provider, reports)
    if usage is None:
        return None
    told = _anthropic(usage) if caller.is_anthropic else _openai(usage)
    return Raw(msgspec.json.encode(told))


def _openai(usage: Usage) -> _OpenAI:
    given, wrote = usage.input_tokens, usage.output_tokens
    cached, reasoning = usage.cached_tokens, usage.reasoning_tokens
    return _OpenAI(
        prompt_tokens=given,
        completion_tokens=wrote,
        total_tokens=None if given is None or wrote is None else given + wrote,
        prompt_tokens_details=None if cached is None else _OpenAIInput(cached),
        completion_tokens_details=None if reasoning is None else _OpenAIOutput(reasoning),
    )


def _anthropic(usage: Usage) -> _Anthropic:
    cached, written = usage.cached_tokens, usage.cache_write_tokens
    fresh = usage.input_tokens
    if fresh is not None:
        fresh -= (cached or 0) + (written or 0)
    reasoning = usage.reasoning_tokens
    return _Anthropic(
        input_tokens=fresh,
        cache_creation_input_tokens=written,
        cache_read_input_tokens=cached,
        output_tokens=usage.output_tokens,
        output_tokens_details=None if reasoning is None else _AnthropicOutput(reasoning),
    )

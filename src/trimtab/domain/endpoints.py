"""The routes that reach a provider: one table for gateway, pipeline and telemetry.

Operations are named as OpenTelemetry GenAI names them, where it does.
"""

from collections.abc import Mapping
from typing import NamedTuple

from trimtab.domain.model import Wire


class Endpoint(NamedTuple):
    """Where a wire is served, by POST, and what it does there."""

    path: str
    operation: str


ENDPOINTS: Mapping[Wire, Endpoint] = {
    Wire.OPENAI_CHAT: Endpoint("/v1/chat/completions", "chat"),
    Wire.OPENAI_RESPONSES: Endpoint("/v1/responses", "chat"),
    Wire.OPENAI_EMBEDDINGS: Endpoint("/v1/embeddings", "embeddings"),
    Wire.OPENAI_MODERATIONS: Endpoint("/v1/moderations", "moderations"),
    Wire.ANTHROPIC_MESSAGES: Endpoint("/v1/messages", "chat"),
    Wire.ANTHROPIC_COUNT_TOKENS: Endpoint("/v1/messages/count_tokens", "count_tokens"),
}
"""Every wire has its own."""

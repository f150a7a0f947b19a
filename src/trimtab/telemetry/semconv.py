"""The GenAI semantic conventions: for each version a table of our words to its names.

Names still change between versions, so they come from tables of ours and never from the
constants of a package.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the conventions.

    Attributes:
        schema_url: Tells receivers which version the names of a scope are.
        names: Our word to the attribute's name; a word without a name is not exported.
        evaluation: The same of what an evaluation found.
        content: The same of what people and models wrote. Without any, each message is an event.
    """

    schema_url: str
    names: Mapping[str, str]
    evaluation: Mapping[str, str]
    content: Mapping[str, str] = field(default_factory=dict[str, str])

    def without(self, forbidden: Collection[str]) -> "Version":
        """Leave out names that a receiver takes for something else."""
        kept = {ours: name for ours, name in self.names.items() if name not in forbidden}
        return replace(self, names=kept)


V1_41 = Version(
    schema_url="https://opentelemetry.io/schemas/1.41.0",
    names={
        "provider": "gen_ai.provider.name",
        "operation": "gen_ai.operation.name",
        "model_requested": "gen_ai.request.model",
        "stream": "gen_ai.request.stream",
        "model_response": "gen_ai.response.model",
        "response_id": "gen_ai.response.id",
        "finish_reasons": "gen_ai.response.finish_reasons",
        "ttft": "gen_ai.response.time_to_first_chunk",
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
        "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
        "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
        "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
        "prompt_name": "gen_ai.prompt.name",
        "conversation_id": "gen_ai.conversation.id",
    },
    evaluation={
        "name": "gen_ai.evaluation.name",
        "score": "gen_ai.evaluation.score.value",
        "label": "gen_ai.evaluation.score.label",
        "response_id": "gen_ai.response.id",
        "explanation": "gen_ai.evaluation.explanation",
    },
    content={
        "input": "gen_ai.input.messages",
        "output": "gen_ai.output.messages",
        "system": "gen_ai.system_instructions",
        "tools": "gen_ai.tool.definitions",
    },
)
"""1.41.0: `model/gen-ai/registry.yaml` of open-telemetry/semantic-conventions."""

V1_36 = Version(
    schema_url="https://opentelemetry.io/schemas/1.36.0",
    names={
        "provider": "gen_ai.system",
        "operation": "gen_ai.operation.name",
        "model_requested": "gen_ai.request.model",
        "model_response": "gen_ai.response.model",
        "response_id": "gen_ai.response.id",
        "finish_reasons": "gen_ai.response.finish_reasons",
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
        "conversation_id": "gen_ai.conversation.id",
    },
    evaluation=V1_41.evaluation,
)
"""1.36.0, of the same. It has no evaluations: they keep the names of the first that has them."""

GENAI_LATEST = replace(
    V1_41,
    schema_url="https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev",
    names={
        **V1_41.names,
        "cache_write_tokens": "gen_ai.usage.cache_write.input_tokens",
        "prompt_version": "gen_ai.prompt.version",
    },
)
"""As open-telemetry/semantic-conventions-genai has them now; nothing is tagged there yet."""


class Semconv(StrEnum):
    """What a version is called."""

    V1_36 = "1.36"
    V1_41 = "1.41"
    LATEST = "genai-latest"


VERSIONS: Mapping[Semconv, Version] = {
    Semconv.V1_36: V1_36,
    Semconv.V1_41: V1_41,
    Semconv.LATEST: GENAI_LATEST,
}
DEFAULT = V1_41

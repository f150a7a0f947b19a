"""Names of version 1.41.0: `model/gen-ai/registry.yaml` of open-telemetry/semantic-conventions."""

from trimtab.telemetry.semconv.base import Version

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

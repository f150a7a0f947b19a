"""Names of version 1.36.0: `model/gen-ai/registry.yaml` of open-telemetry/semantic-conventions.

It has no evaluations yet: they keep the names of the first version that has them.
"""

from trimtab.telemetry.semconv.base import Version
from trimtab.telemetry.semconv.v1_41 import V1_41

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

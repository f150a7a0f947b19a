"""Names as open-telemetry/semantic-conventions-genai has them now; nothing is tagged there yet."""

from dataclasses import replace

from trimtab.telemetry.semconv.v1_41 import V1_41

GENAI_LATEST = replace(
    V1_41,
    schema_url="https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev",
    names={
        **V1_41.names,
        "cache_write_tokens": "gen_ai.usage.cache_write.input_tokens",
        "prompt_version": "gen_ai.prompt.version",
    },
)

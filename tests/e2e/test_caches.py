"""Tokens of a prompt cache are billed once, at their rate, on every wire."""

from uuid import uuid4

import pytest
from tests.e2e.conftest import Stack
from tests.e2e.raw_http import ANTHROPIC, OPENAI, chat, request, send

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", [OPENAI, ANTHROPIC])
def test_t12_what_the_cache_gave_is_charged_as_the_provider_bills_it(
    stack: Stack, key: str, path: str, *, stream: bool
) -> None:
    text = {"type": "text", "text": f"{uuid4()} {'The log of the night watch. ' * 400}"}
    kept = {**text, "cache_control": {"type": "ephemeral"}} if path == ANTHROPIC else text
    said = [{"role": "user", "content": [kept, {"type": "text", "text": "What is it about?"}]}]
    asked = request(key, chat(messages=said, stream=stream), path)

    first, second = (stack.record(send(stack.port, asked).request_id) for _ in range(2))

    assert not first["cached_tokens"]
    assert second["cached_tokens"] > 1000
    assert bool(first["cache_write_tokens"]) is (path == ANTHROPIC)
    assert second["cost_nano"] < first["cost_nano"] / 2
    for record in (first, second):
        assert record["cost_nano"] == stack.billed(record["response_id"])

"""Nearly right requests, headers and answers of providers: whatever comes, the caller is told in
the shape of its wire, soon, without a secret, and there is one record of it.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from tests.e2e.conftest import Stack, eventually, free_port
from tests.e2e.fuzzing import SEED, mutated, patience_s, rounds
from tests.e2e.providers import GOOD_SEED, OTHERS, PROVIDER_KEY, provider_on
from tests.e2e.raw_http import ANTHROPIC, OPENAI, Answer, chat, next_answer, request

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(patience_s(120))]

CONFIG = Path(__file__).with_name("fuzz.yaml")
RESPONSES, COUNT = "/v1/responses", "/v1/messages/count_tokens"
EACH = 150
AT_ONCE = 24
HANGS_S = 20.0
SHOWN = 10

TOOL: dict[str, Any] = {"type": "object", "properties": {"query": {"type": "string"}}}
FUNCTION = {"name": "lookup", "parameters": TOOL}
GOOD: dict[str, dict[str, Any]] = {
    OPENAI: {
        "model": "chat",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is a trim tab?"}]},
        ],
        "max_completion_tokens": 20,
        "tools": [{"type": "function", "function": FUNCTION}],
        "response_format": {"type": "text"},
        "stream_options": {"include_usage": True},
        "metadata": {"a": "b"},
        "trimtab": {"feature": "search", "tags": {"team": "blue"}},
    },
    ANTHROPIC: {
        "model": "chat",
        "max_tokens": 20,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "What is a tab?"}]}],
        "tools": [{"name": "lookup", "input_schema": TOOL}],
        "metadata": {"user_id": "u-1"},
        "stop_sequences": ["x"],
    },
    RESPONSES: {
        "model": "chat",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello?"}]}],
        "max_output_tokens": 20,
        "tools": [{"type": "function", **FUNCTION}],
        "text": {"format": {"type": "text"}},
    },
    "/v1/embeddings": {"model": "embed", "input": ["a", "b"], "encoding_format": "float"},
    "/v1/moderations": {"model": "sim/moderation", "input": ["a", {"type": "text", "text": "b"}]},
    COUNT: {"model": "chat", "messages": [{"role": "user", "content": "What is a trim tab?"}]},
}
HEADERS = (
    *("x-trimtab-feature", "x-trimtab-user", "x-trimtab-conversation", "x-trimtab-tenant"),
    *("x-trimtab-odd", "traceparent", "tracestate", "baggage", "anthropic-version"),
    *("anthropic-beta", "openai-beta", "x-stainless-retry-count", "cookie", "accept-encoding"),
    *("content-type", "x-forwarded-for", "x-sim-fault", "idempotency-key", "range"),
)


class Played(NamedTuple):
    """A Trimtab, where its scripted providers listen, and keys of two tenants."""

    stack: Stack
    port: int
    keys: Sequence[str]
    other: str


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    home, port = tmp_path_factory.mktemp("fuzz"), free_port()
    config = home / "trimtab.yaml"
    config.write_text(CONFIG.read_text().replace("PORT", str(port)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUZZ_PROVIDER_KEY", PROVIDER_KEY)
        stack = Stack(home, free_port(), free_port())
        stack.options = ["--config", str(config)]
        try:
            stack.start()
            # More than one key: of what is refused to one, 200 a second are recorded.
            keys = [stack.key("acme") for _ in range(4)]
            yield Played(stack, port, keys, stack.key("globex"))
        finally:
            stack.stop()


@pytest.mark.parametrize("path", GOOD)
async def test_a_request_that_is_nearly_right_is_answered_in_its_shape(
    played: Played, path: str
) -> None:
    for chance in rounds(path):
        requests = list(_requests(played.keys, path, chance))
        answers = await _ask_all(played.stack, requests)
        _check_all(played.stack, path, requests, answers)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("path", [OPENAI, ANTHROPIC, RESPONSES])
async def test_a_provider_that_answers_nearly_right_harms_nobody(
    played: Played, path: str, provider: str
) -> None:
    if path == RESPONSES and provider == "anthropic":
        pytest.skip("no translation leads there")
    async with provider_on(played.port):
        for chance in rounds(path + provider):
            requests = list(_asking(played, path, provider, chance))
            answers = await _ask_all(played.stack, requests)

            pairs = list(zip(requests, answers, strict=True))
            mine = [pair for pair in pairs if GOOD_SEED.encode() not in pair[0]]
            _check_all(played.stack, path, *zip(*mine, strict=True))
            good = [answer for data, answer in pairs if GOOD_SEED.encode() in data]
            spoiled = [answer for answer in good if OTHERS.encode() not in answer.body]
            assert not spoiled, spoiled[:3]


def _requests(keys: Sequence[str], path: str, chance: Random) -> Iterator[bytes]:
    for _ in range(EACH):
        members = dict(GOOD[path])
        if chance.random() < 0.5 and path in (OPENAI, ANTHROPIC, RESPONSES):
            members["stream"] = True
        data = json.dumps(members).encode()
        headers: list[tuple[str, str]] = []
        if chance.random() < 0.7:
            data = mutated(data, chance)
        else:
            headers = [
                (chance.choice(HEADERS), _odd_value(chance)) for _ in range(chance.randint(1, 5))
            ]
        yield request(chance.choice(keys), data, path, *headers)


def _odd_value(chance: Random) -> str:
    value = mutated(
        b'00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01, "a b"=1;q=0.5', chance
    )
    # With other control characters it would be no HTTP.
    return "".join(
        char for char in value.decode("latin-1") if char == "\t" or " " <= char != "\x7f"
    )


def _asking(played: Played, path: str, provider: str, chance: Random) -> Iterator[bytes]:
    """Ask for answers that a seed in the model's name spoils; the other tenant's are good."""
    name = {"openai": "gpt", "anthropic": "claude"}[provider]
    for place in range(EACH):
        other = place % 6 == 0
        asked = {
            **({"input": "hi"} if path == RESPONSES else {}),
            "model": f"{name}!{GOOD_SEED if other else chance.getrandbits(40)}",
            "stream": chance.random() < 0.7,
        }
        text = OTHERS if other else "hi"
        key = played.other if other else chance.choice(played.keys)
        yield request(key, chat(text, **asked), path)


async def _ask_all(stack: Stack, requests: Sequence[bytes]) -> list[Answer]:
    waiting = list(enumerate(requests))
    answers: dict[int, Answer] = {}

    async def client() -> None:
        while waiting:
            place, data = waiting.pop()
            reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
            try:
                writer.write(data)
                async with asyncio.timeout(HANGS_S):
                    answers[place] = await next_answer(reader)
            except TimeoutError:
                answers[place] = Answer(0, {}, b"no answer came in time")
            finally:
                writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(client())
    return [answers[place] for place in range(len(requests))]


def _check_all(
    stack: Stack, path: str, requests: Sequence[bytes], answers: Sequence[Answer]
) -> None:
    wrong = [
        f"{fault}\n  sent {data[-400:]!r}\n  got {answer.status} {answer.body[:400]!r}"
        for data, answer in zip(requests, answers, strict=True)
        for fault in _faults(path, answer)
    ]
    assert not wrong, f"{len(wrong)} faults; seed {SEED}\n" + "\n".join(wrong[:SHOWN])
    assert "Traceback" not in stack.log()
    known = {answer.request_id for answer in answers if answer.status != 401}
    assert len(known) == sum(answer.status != 401 for answer in answers)

    marks = ", ".join("?" * len(known))
    asked = f"SELECT request_id FROM request WHERE request_id IN ({marks})"  # noqa: S608 -- ours

    def recorded() -> bool:
        rows = [row["request_id"] for row in stack.rows(asked, *known)]
        assert len(set(rows)) == len(rows)
        return set(rows) == known

    eventually(recorded, "every request has its record")
    [difference] = stack.rows(
        "SELECT (SELECT coalesce(sum(cost_nano), 0) FROM ledger)"
        " - (SELECT coalesce(sum(cost_nano), 0) FROM request) AS nano"
    )
    assert difference["nano"] == 0


def _faults(path: str, answer: Answer) -> Iterator[str]:
    told = answer.body + repr(answer.headers).encode()
    if PROVIDER_KEY.encode() in told or OTHERS.encode() in told:
        yield "a secret is told"
    if b"Traceback" in told or b'"internal"' in told:
        yield "a bug is told"
    if answer.status in (0, 500):
        yield f"status {answer.status}"
    elif answer.status != 200:
        yield from _misshapen(path, answer)
    elif "text/event-stream" in answer.headers["content-type"]:
        if not _ends(path, answer.body):
            yield "the stream has no end"
    elif not isinstance(json.loads(answer.body), dict):
        yield "the answer is no object"


def _misshapen(path: str, answer: Answer) -> Iterator[str]:
    if "x-trimtab-error" not in answer.headers:
        yield "the code is not told"
    if answer.headers.get("x-trimtab-error") == "internal":
        yield "a bug is told"
    try:
        error = answer.json["error"]
        assert isinstance(error["message"], str)
        # What a provider says about a request is passed on, with all that it leaves out.
        if answer.headers.get("x-trimtab-error") != "provider_refused":
            assert isinstance(error["type"], str)
            assert path not in (ANTHROPIC, COUNT) or answer.json["type"] == "error"
    except (ValueError, KeyError, TypeError, AssertionError):
        yield "the error has not the shape of the wire"


def _ends(path: str, body: bytes) -> bool:
    ends = {
        OPENAI: (b"data: [DONE]", b'data: {"error":'),
        ANTHROPIC: (b'"message_stop"', b"event: error"),
        RESPONSES: (b"response.completed", b"response.failed", b"response.incomplete"),
    }
    return any(end in body for end in ends[path])

import msgspec
import pytest

from trimtab.store.bodies import MAX_ANSWERED, MAX_BYTES, answered_words, asked_words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(
            {"model": "m", "messages": [{"role": "user", "content": "one"}], "user": "u"},
            ["one"],
            id="chat",
        ),
        pytest.param(
            {
                "system": [{"type": "text", "text": "one"}],
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "two"}]},
                    {
                        "role": "user",
                        "content": [
                            {"type": "tool_result", "content": [{"type": "text", "text": "three"}]},
                            {"type": "image", "source": {"data": "aGk"}},
                        ],
                    },
                ],
            },
            ["one", "two", "three"],
            id="messages",
        ),
        pytest.param(
            {
                "instructions": "one",
                "input": [
                    {"type": "message", "content": [{"type": "input_text", "text": "two"}]},
                    {"type": "function_call_output", "call_id": "c", "output": "three"},
                ],
            },
            ["one", "two", "three"],
            id="responses",
        ),
        pytest.param({"input": ["one", "two"], "model": "e"}, ["one", "two"], id="embeddings"),
    ],
)
def test_the_words_of_every_wire_are_read_and_no_key(body: object, words: list[str]) -> None:
    assert list(asked_words(msgspec.json.encode(body))) == words


def test_an_answer_gives_its_texts_and_the_arguments_of_its_calls() -> None:
    parts = [
        {"type": "text", "content": "Hello THERE"},
        {"type": "tool_call", "name": "look", "arguments": '{"city": "Bern"}'},
    ]
    body = msgspec.json.encode({"role": "assistant", "parts": parts})

    assert answered_words(body) == ("hello", "there", "city", "bern")


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"\xff", b"12", b"[" * 100_000, b'"' + b"a" * MAX_BYTES + b'"'],
    ids=len,
)
def test_what_is_no_body_has_no_words(body: bytes) -> None:
    assert asked_words(body) == ()


def test_of_much_the_last_can_be_found() -> None:
    text = " ".join(f"w{n}" for n in range(MAX_ANSWERED + 5))
    words = answered_words(msgspec.json.encode({"parts": [{"content": text}]}))

    assert len(words) == MAX_ANSWERED
    assert words[-1] == f"w{MAX_ANSWERED + 4}"


def test_characters_that_become_many_do_not_make_more_than_fits() -> None:
    text = " ".join(f"{n}" + "\ufdf2" * 16 for n in range(4000))
    words = answered_words(msgspec.json.encode({"parts": [{"content": text}]}))

    assert 0 < sum(map(len, words)) <= MAX_ANSWERED * 12
    assert words[-1].startswith("3999")

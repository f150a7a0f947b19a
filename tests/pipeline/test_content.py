import hmac
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from tests.records import DAY_US, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.domain.record import Blob
from trimtab.pipeline.content import (
    MAX_CONTENT_BYTES,
    MIN_BLOB_BYTES,
    Captured,
    ContentCapture,
    params,
)
from trimtab.store.content import assemble, is_whole

MIDNIGHT_US = TS_US - TS_US % DAY_US + DAY_US


class Kept:
    """A capture and the blobs it gave, by day: what a store would have."""

    def __init__(self) -> None:
        self.capture = ContentCapture(tenant_key)
        self.days: dict[int, dict[bytes, Blob]] = {}

    def keep(self, body: bytes, ts_us: int = TS_US, tenant_id: str = "acme") -> Captured:
        captured = self.capture.capture(tenant_id, ts_us, body, messages(body))
        blobs = self.days.setdefault(ts_us // DAY_US, {})
        for blob in captured.blobs:
            # As a store does: what is there stays.
            blobs.setdefault(blob.ref, blob)
        return captured

    def read(self, ref: bytes, ts_us: int = TS_US) -> bytes | None:
        return assemble(self.days.get(ts_us // DAY_US, {}).get, ref)


def messages(body: bytes) -> Raw | None:
    try:
        return msgspec.json.decode(body, type=dict[str, Raw]).get("messages")
    except msgspec.DecodeError:
        return None


def conversation(*texts: str) -> bytes:
    turns = [{"role": "user", "content": text} for text in texts]
    return msgspec.json.encode({"model": "chat", "messages": turns, "stream": True})


LONG = [f"turn {number} " * 50 for number in range(30)]


def test_the_ref_proves_what_was_sent() -> None:
    body = conversation("hello")

    ref = Kept().keep(body).ref

    assert ref == hmac.digest(tenant_key("acme"), body, "sha256")
    assert is_whole(body, ref, tenant_key("acme"))
    assert ContentCapture(tenant_key).hash("acme", body) == ref


def test_every_turn_of_a_conversation_is_stored_once() -> None:
    kept = Kept()
    refs: list[bytes] = []
    for turns in range(1, 31):
        captured = kept.keep(conversation(*LONG[:turns]))
        refs.append(captured.ref)
        # The new turn and the manifest.
        assert len(captured.blobs) == 2

    for turns, ref in enumerate(refs, 1):
        assert kept.read(ref) == conversation(*LONG[:turns])


def test_what_was_captured_before_needs_no_blob() -> None:
    kept = Kept()
    kept.keep(conversation(*LONG))

    assert kept.keep(conversation(*LONG)).blobs == ()


TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", '"', "\\", "x" * 250, "y" * 300, "ü" * 200, '{"role":"user"}' * 30]),
)


@given(st.lists(st.lists(TEXTS, max_size=5), min_size=1, max_size=5), st.integers(0, 3))
def test_every_content_is_put_together_again(talks: list[list[str]], indent: int) -> None:
    kept = Kept()
    bodies = [msgspec.json.format(conversation(*texts), indent=indent) for texts in talks]

    refs = [kept.keep(body).ref for body in bodies]

    for body, ref in zip(bodies, refs, strict=True):
        assert kept.read(ref) == body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\x00 no json " * 100, id="no json"),
        pytest.param(b'{"messages": "' + b"x" * 300 + b'"}', id="no list"),
        pytest.param(b'{"messages": [' + b'"x",' * 200 + b'"x"]}', id="many small"),
        pytest.param(b'{"messages": [1, "' + b"x" * 300 + b'", 1, 11]}', id="equal pieces"),
        pytest.param(b'{"a": [1], "messages": [1]}', id="the same list before"),
    ],
)
def test_what_is_no_conversation_is_kept_too(body: bytes) -> None:
    kept = Kept()

    assert kept.read(kept.keep(body).ref) == body


def test_a_list_that_is_not_in_the_content_is_no_help_and_no_harm() -> None:
    capture = ContentCapture(tenant_key)
    body = conversation(*LONG)

    ref, blobs = capture.capture("acme", TS_US, body, Raw(b'["' + b"z" * 300 + b'"]'))

    assert assemble({blob.ref: blob for blob in blobs}.get, ref) == body


def test_a_message_that_is_the_text_of_an_earlier_content_is_kept_apart() -> None:
    kept = Kept()
    answer = b'{"role":"assistant","content":"' + b"z" * 300 + b'"}'
    first = kept.keep(answer)
    body = b'{"messages":[' + answer + b"]}"

    second = kept.keep(body)
    third = kept.keep(answer)

    assert kept.read(second.ref) == body
    assert kept.read(first.ref) == kept.read(third.ref) == answer


def test_a_content_that_is_the_text_of_an_earlier_message_is_kept_apart() -> None:
    kept = Kept()
    message = b'{"role":"user","content":"' + b"z" * 300 + b'"}'
    kept.keep(b'{"messages":[' + message + b"]}")

    captured = kept.keep(message)

    assert kept.read(captured.ref) == message


def test_content_belongs_to_the_day_its_request_was_admitted() -> None:
    """A request admitted before midnight ends after others that were admitted after it."""
    kept = Kept()
    before, after = MIDNIGHT_US - 1, MIDNIGHT_US
    asked = kept.keep(conversation(*LONG), before)
    other = kept.keep(conversation(*LONG), after)
    answer = kept.keep(conversation(*LONG[:2]), before)
    late = kept.keep(conversation(*LONG[:3]), after)

    assert kept.read(asked.ref, before) == conversation(*LONG)
    assert kept.read(answer.ref, before) == conversation(*LONG[:2])
    assert kept.read(other.ref, after) == conversation(*LONG)
    assert kept.read(late.ref, after) == conversation(*LONG[:3])
    assert other.blobs


def test_equal_texts_of_two_tenants_have_nothing_in_common() -> None:
    kept = Kept()
    one, two = (kept.keep(conversation(*LONG), tenant_id=it) for it in ("acme", "globex"))

    assert not {it.ref for it in one.blobs} & {it.ref for it in two.blobs}
    assert len(one.blobs) == len(two.blobs)


def test_what_did_not_reach_the_spool_is_given_again() -> None:
    kept = Kept()
    first = kept.keep(conversation(*LONG))

    kept.capture.forget()

    assert kept.keep(conversation(*LONG)).blobs == first.blobs


def test_only_long_messages_are_blobs_and_only_long_blobs_are_compressed() -> None:
    short, long = "s" * (MIN_BLOB_BYTES - 100), "l" * MIN_BLOB_BYTES

    piece, manifest = Kept().keep(conversation(short, long)).blobs
    (tiny,) = Kept().keep(b"{}").blobs

    assert piece.codec == manifest.codec == "zstd"
    assert len(piece.data) < 50
    assert tiny.codec == "raw"


def test_no_frame_holds_a_content_beyond_the_limit() -> None:
    body = bytes(MAX_CONTENT_BYTES + 1)
    capture = ContentCapture(tenant_key)

    assert capture.capture("acme", TS_US, body) == Captured(capture.hash("acme", body), ())
    assert capture.capture("acme", TS_US, body[1:]).blobs


def test_only_the_parameters_that_were_sent_are_told() -> None:
    members: dict[str, Any] = {
        "max_tokens": Raw(b"800"),
        "temperature": Raw(b"0.20"),
        "messages": Raw(b"[]"),
        "user": Raw(b'"planted"'),
        "stop": Raw(b'["\\n"]'),
    }

    assert params(members) == '{"max_tokens":800,"temperature":0.20}'
    assert params({}) == "{}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("stop", b'["MY SECRET PROMPT TEXT"]', id="a list of texts"),
        pytest.param("tool_choice", b'{"type":"function","name":"x"}', id="an object"),
        pytest.param("service_tier", b'"' + b"a" * 33 + b'"', id="a long word"),
        pytest.param("reasoning_effort", b'"two words"', id="a sentence"),
        pytest.param("seed", b"1" * 40, id="digits without end"),
    ],
)
def test_a_parameter_that_could_hold_what_people_wrote_is_left_to_the_content(
    name: str, value: bytes
) -> None:
    assert params({name: Raw(value), "n": Raw(b"2")}) == '{"n":2}'

from hypothesis import given
from hypothesis import strategies as st

from trimtab.domain.ids import request_id, span_id, trace_id, ulid, ulid_ms

MILLISECONDS = st.integers(0, 2**48 - 1)
TEN_BYTES = st.binary(min_size=10, max_size=10)


@given(ms=MILLISECONDS, random_bytes=TEN_BYTES)
def test_a_ulid_tells_its_milliseconds(ms: int, random_bytes: bytes) -> None:
    assert ulid_ms(ulid(ms, lambda _: random_bytes)) == ms


@given(first=MILLISECONDS, second=MILLISECONDS, random_bytes=TEN_BYTES)
def test_ulids_sort_as_their_times(first: int, second: int, random_bytes: bytes) -> None:
    ids = [ulid(ms, lambda _: random_bytes) for ms in (first, second)]

    assert (ids[0] < ids[1]) == (first < second)


def test_encodes_the_specifications_example() -> None:
    # github.com/ulid/spec: 1469918176385 ms is 01ARYZ6S41
    assert ulid(1469918176385, bytes) == "01ARYZ6S410000000000000000"


def test_a_request_id_is_prefixed_and_time_ordered() -> None:
    made = request_id(1_469_918_176_385_999, lambda n: b"\xff" * n)

    assert made == "r_01ARYZ6S41ZZZZZZZZZZZZZZZZ"
    assert ulid_ms(made) == 1_469_918_176_385


def test_what_is_no_ulid_has_no_time() -> None:
    assert ulid_ms("r_short") is None
    assert ulid_ms("r_" + "U" * 26) is None


def test_trace_ids_are_w3c_hex() -> None:
    made = trace_id(1_000_000, lambda n: b"\x01" * n)

    assert len(made) == 32
    assert int(made[:12], 16) == 1000


def test_span_ids_depend_on_request_and_path_alone() -> None:
    assert span_id("r_1", "attempt/1") == span_id("r_1", "attempt/1")
    assert span_id("r_1", "attempt/1") != span_id("r_1", "attempt/2")

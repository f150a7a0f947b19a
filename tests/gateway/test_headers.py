import pytest

from trimtab.domain.errors import InvalidRequest, Unauthenticated
from trimtab.gateway.headers import MAX_LIST_CHARS, read

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param([(b"authorization", b"Bearer k")], id="OpenAI's header"),
        pytest.param([(b"x-api-key", b"k")], id="Anthropic's header"),
        pytest.param([(b"x-api-key", b"k"), (b"authorization", b"bearer k")], id="both, equal"),
    ],
)
def test_finds_the_key(raw: list[tuple[bytes, bytes]]) -> None:
    assert read(raw).key == "k"


def test_refuses_two_different_keys() -> None:
    with pytest.raises(Unauthenticated):
        read([(b"x-api-key", b"a"), (b"authorization", b"Bearer b")])


def test_continues_a_trace() -> None:
    headers = read([(b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())])

    assert (headers.trace_id, headers.parent_span_id) == (TRACE, SPAN)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([b"junk"], id="not one"),
        pytest.param([f"00-{'0' * 32}-{SPAN}-01".encode()], id="zero trace"),
        pytest.param([f"00-{TRACE}-{SPAN}-01".encode()] * 2, id="twice"),
        pytest.param([f"00-{TRACE}-{SPAN}-01".encode()] * 3, id="three times"),
    ],
)
def test_an_invalid_trace_is_as_good_as_none(values: list[bytes]) -> None:
    headers = read([(b"traceparent", value) for value in values])

    assert (headers.trace_id, headers.parent_span_id) == (None, None)


def test_forwards_the_wires_own_headers_and_no_other() -> None:
    headers = read(
        [
            (b"anthropic-version", b"2023-06-01"),
            (b"openai-beta", b"x=1"),
            (b"cookie", b"a=b"),
            (b"x-forwarded-for", b"1.2.3.4"),
        ]
    )

    assert headers.forwarded == (("anthropic-version", "2023-06-01"), ("openai-beta", "x=1"))
    assert headers.anthropic


def test_refuses_a_header_of_ours_that_is_misspelt() -> None:
    with pytest.raises(InvalidRequest, match="x-trimtab-featur"):
        read([(b"x-trimtab-featur", b"search")])


@pytest.mark.parametrize("value", [b"", b"a\rb", b"a\nx: y", b"\xff", b"x" * 257])
def test_refuses_a_value_that_could_be_more_than_a_value(value: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read([(b"x-trimtab-feature", value)])


@pytest.mark.parametrize("feature", [b"Search", b"a b", b"-a", b"a" * 64])
def test_a_feature_must_be_a_name(feature: bytes) -> None:
    with pytest.raises(InvalidRequest, match="x-trimtab-feature"):
        read([(b"x-trimtab-feature", feature)])


def test_reads_how_often_the_sdk_tried_and_nothing_that_is_no_number() -> None:
    def retries(value: bytes) -> int | None:
        return read([(b"x-stainless-retry-count", value)]).client_retry

    assert (retries(b"2"), retries(b"12345"), retries(b"x"), retries(b"-1")) == (2, 99, None, None)


def test_lists_in_several_headers_are_one_list_and_bounded() -> None:
    headers = read([(b"tracestate", b"a=1"), (b"baggage", b"x=1"), (b"tracestate", b"b=2")])

    assert (headers.tracestate, headers.baggage) == ("a=1,b=2", "x=1")
    assert len(read([(b"tracestate", b"a=b," * 10_000)]).tracestate) <= MAX_LIST_CHARS


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        pytest.param(f"01-{TRACE}-{SPAN}-03-more", True, id="a version to come, longer"),
        pytest.param(f"01-{TRACE}-{SPAN}-03", True, id="a version to come"),
        pytest.param(f"00-{TRACE}-{SPAN}-03-more", False, id="ours, longer"),
        pytest.param(f"ff-{TRACE}-{SPAN}-03", False, id="the version that is none"),
        pytest.param(f"00-{TRACE.upper()}-{SPAN}-03", False, id="capitals"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-03", False, id="zero span"),
        pytest.param(f"00-{TRACE}-{SPAN}-3", False, id="half a flag"),
    ],
)
def test_reads_a_traceparent_as_level_2_says(value: str, is_one: bool) -> None:  # noqa: FBT001
    headers = read([(b"traceparent", value.encode())])

    assert (headers.trace_id == TRACE) is is_one
    assert headers.trace_flags == (3 if is_one else 0)


def test_a_trace_is_kept_by_the_word_1_alone() -> None:
    assert read([(b"x-trimtab-keep", b"1")]).keep
    with pytest.raises(InvalidRequest, match="x-trimtab-keep"):
        read([(b"x-trimtab-keep", b"true")])


@pytest.mark.parametrize("value", [b"", b"0", b"-5", b"1.5", b"1e3", b"soon", b"9999999999"])
def test_a_deadline_is_whole_milliseconds(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="x-trimtab-deadline-ms"):
        read([(b"x-trimtab-deadline-ms", value)])

    assert read([(b"x-trimtab-deadline-ms", b"1500")]).deadline_s == 1.5


@pytest.mark.parametrize(
    "name", [b"x-trimtab-feature", b"x-trimtab-deadline-ms", b"idempotency-key"]
)
def test_a_header_of_ours_that_comes_twice_is_refused(name: bytes) -> None:
    with pytest.raises(InvalidRequest, match=f"{name.decode()} was sent twice"):
        read([(name, b"200"), (name, b"300")])


@pytest.mark.parametrize(
    "value",
    [b"", b"a", b"=&", "ä=1".encode(), b"a=%ff", b"a=" + b"x" * 65, b"&".join([b"a=b"] * 17)],
)
def test_tags_that_are_none_are_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="x-trimtab-tags"):
        read([(b"x-trimtab-tags", value)])

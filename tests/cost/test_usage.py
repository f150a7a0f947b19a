import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trimtab.cost.usage import read_anthropic, read_openai_chat, read_reports
from trimtab.domain.chat import UsageReport
from trimtab.domain.model import Wire
from trimtab.domain.usage import Usage, UsageSource

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["12", "-3", "9" * 30]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
OPENAI_NAMES = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "prompt_tokens_details",
    "completion_tokens_details",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "audio_tokens",
    "service_tier",
]
ANTHROPIC_NAMES = [
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "ephemeral_5m_input_tokens",
    "ephemeral_1h_input_tokens",
    "thinking_tokens",
    "server_tool_use",
    "web_search_requests",
    "service_tier",
    "output_tokens_details",
]


def nonsense(names: list[str]) -> st.SearchStrategy[bytes]:
    inner = st.dictionaries(st.sampled_from(names), JSON)
    whole = st.dictionaries(st.sampled_from(names), JSON | inner)
    return st.binary(max_size=20) | (whole | JSON).map(msgspec.json.encode)


def openai(**members: object) -> Usage:
    return read_openai_chat(msgspec.json.encode(members))


def anthropic(**members: object) -> Usage:
    return read_anthropic(msgspec.json.encode(members))


def assert_sane(usage: Usage) -> None:
    counts = [value for value in msgspec.structs.asdict(usage).values() if type(value) is int]
    assert all(count >= 0 for count in counts)
    if usage.source is UsageSource.PROVIDER:
        assert usage.input_tokens is not None
        assert usage.output_tokens is not None
        parts = (usage.cached_tokens or 0) + (usage.cache_write_tokens or 0)
        assert parts <= usage.input_tokens
        assert (usage.reasoning_tokens or 0) <= usage.output_tokens


def test_reads_openais_usage() -> None:
    usage = openai(
        prompt_tokens=4123,
        completion_tokens=487,
        total_tokens=4610,
        prompt_tokens_details={"cached_tokens": 3800, "cache_write_tokens": 100, "audio_tokens": 7},
        completion_tokens_details={"reasoning_tokens": 200, "audio_tokens": 3},
    )

    assert usage == Usage(
        source=UsageSource.PROVIDER,
        input_tokens=4123,
        cached_tokens=3800,
        cache_write_30m=100,
        output_tokens=487,
        reasoning_tokens=200,
        audio_input_tokens=7,
        audio_output_tokens=3,
    )


def test_reads_anthropics_usage_so_that_input_includes_the_cache() -> None:
    usage = anthropic(
        input_tokens=3,
        cache_read_input_tokens=200,
        cache_creation_input_tokens=30,
        cache_creation={"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
        output_tokens=5,
        output_tokens_details={"thinking_tokens": 4},
        server_tool_use={"web_search_requests": 2, "web_fetch_requests": 0},
        service_tier="standard",
        speed="fast",
        inference_geo="us",
    )

    assert usage == Usage(
        source=UsageSource.PROVIDER,
        input_tokens=233,
        cached_tokens=200,
        cache_write_5m=20,
        cache_write_1h=10,
        output_tokens=5,
        reasoning_tokens=4,
        web_search_requests=2,
        service_tier="standard",
        speed="fast",
        region="us",
    )


def test_cache_writes_without_a_lifetime_are_of_five_minutes() -> None:
    usage = anthropic(input_tokens=3, cache_creation_input_tokens=12304, output_tokens=550)

    assert (usage.cache_write_5m, usage.cache_write_1h) == (12304, 0)
    assert usage.input_tokens == 12307


def test_what_is_not_said_is_unknown_and_what_is_null_too() -> None:
    usage = openai(prompt_tokens=5, completion_tokens=0, prompt_tokens_details=None)

    assert usage.cached_tokens is None
    assert usage.output_tokens == 0
    assert not usage.inconsistent


@pytest.mark.parametrize(
    "members",
    [{"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6}, {"cached_tokens": 4}],
)
def test_reads_the_dialects_of_compatible_servers(members: dict[str, int]) -> None:
    assert openai(prompt_tokens=10, completion_tokens=1, **members).cached_tokens == 4


def test_the_tier_served_is_told_beside_the_usage() -> None:
    raw = b'{"prompt_tokens": 1, "completion_tokens": 1}'

    assert read_openai_chat(raw, service_tier="flex").service_tier == "flex"


@pytest.mark.parametrize("written", ["12", 12.0])
def test_a_count_in_other_clothes_is_a_count(written: str | float) -> None:
    usage = openai(prompt_tokens=written, completion_tokens=1)

    assert usage.input_tokens == 12
    assert not usage.inconsistent


@pytest.mark.parametrize("written", ["12 tokens", "-2", "", -1, 1.5, True, [], {}, 10**13, "٣"])
def test_what_is_no_count_is_unknown_and_marked(written: object) -> None:
    usage = openai(prompt_tokens=written, completion_tokens=1)

    assert usage.input_tokens is None
    assert usage.output_tokens == 1
    assert usage.inconsistent
    assert usage.source is UsageSource.PARTIAL


def test_one_bad_count_does_not_spoil_the_others() -> None:
    usage = anthropic(
        input_tokens=3, output_tokens=5, cache_creation={"ephemeral_5m_input_tokens": "x"}
    )

    assert (usage.input_tokens, usage.output_tokens, usage.inconsistent) == (3, 5, True)


def test_a_total_beyond_its_parts_is_fresh_input() -> None:
    usage = openai(prompt_tokens=100, completion_tokens=10, total_tokens=150)

    assert (usage.input_tokens, usage.output_tokens) == (140, 10)
    assert not usage.inconsistent


def test_reasoning_counted_beside_the_output_belongs_to_it() -> None:
    usage = openai(
        prompt_tokens=100,
        completion_tokens=10,
        total_tokens=310,
        completion_tokens_details={"reasoning_tokens": 200},
    )

    assert (usage.input_tokens, usage.output_tokens) == (100, 210)
    assert not usage.inconsistent


def test_more_reasoning_than_output_is_read_the_dearer_way() -> None:
    usage = openai(
        prompt_tokens=100,
        completion_tokens=10,
        completion_tokens_details={"reasoning_tokens": 200},
    )

    assert usage.output_tokens == 210
    assert usage.inconsistent


def test_more_cached_than_read_is_read_the_dearer_way() -> None:
    usage = openai(
        prompt_tokens=10, completion_tokens=1, prompt_tokens_details={"cached_tokens": 50}
    )

    assert (usage.input_tokens, usage.cached_tokens) == (60, 50)
    assert usage.inconsistent


def test_a_total_below_its_parts_is_marked() -> None:
    usage = openai(prompt_tokens=10, completion_tokens=5, total_tokens=12)

    assert (usage.input_tokens, usage.output_tokens, usage.inconsistent) == (10, 5, True)


def test_cache_writes_that_do_not_add_up_are_of_the_dearer_lifetime() -> None:
    usage = anthropic(
        input_tokens=0,
        cache_creation_input_tokens=100,
        cache_creation={"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 10},
        output_tokens=1,
    )

    assert (usage.cache_write_5m, usage.cache_write_1h, usage.inconsistent) == (60, 40, True)


def test_in_a_stream_the_last_report_wins_field_by_field() -> None:
    start = (
        b'{"input_tokens": 6, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 9,'
        b'"cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 30},'
        b'"output_tokens": 1, "service_tier": "standard"}'
    )
    reports = [
        UsageReport(start, final=False),
        UsageReport(b'{"output_tokens": 20}', final=True),
        UsageReport(b'{"input_tokens": 8, "output_tokens": 25}', final=True),
    ]

    assert read_reports(Wire.ANTHROPIC_MESSAGES, reports) == Usage(
        source=UsageSource.PROVIDER,
        input_tokens=47,
        cached_tokens=9,
        cache_write_5m=0,
        cache_write_1h=30,
        output_tokens=25,
        service_tier="standard",
    )


def test_a_later_report_does_not_erase_what_it_leaves_out() -> None:
    said = openai(
        prompt_tokens=9,
        completion_tokens=5,
        prompt_tokens_details={"cached_tokens": 3, "cache_write_tokens": 2, "audio_tokens": 1},
        completion_tokens_details={"reasoning_tokens": 4, "audio_tokens": 1},
        service_tier="flex",
    )
    assert read_openai_chat(b"{}", said) == said

    said = anthropic(
        input_tokens=9,
        cache_read_input_tokens=3,
        cache_creation={"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 1},
        output_tokens=5,
        output_tokens_details={"thinking_tokens": 4},
        server_tool_use={"web_search_requests": 2},
        service_tier="batch",
        speed="fast",
        inference_geo="us",
    )
    assert read_anthropic(b"{}", said) == said


def test_a_repeated_sum_of_cache_writes_does_not_lose_their_lifetimes() -> None:
    start = anthropic(
        input_tokens=1, cache_creation={"ephemeral_1h_input_tokens": 30}, output_tokens=1
    )
    usage = read_anthropic(b'{"cache_creation_input_tokens": 30, "output_tokens": 9}', start)

    assert (usage.cache_write_5m, usage.cache_write_1h, usage.input_tokens) == (0, 30, 31)


def test_t06_a_stream_cut_after_its_start_is_partial() -> None:
    reports = [UsageReport(b'{"input_tokens": 6, "output_tokens": 1}', final=False)]
    usage = read_reports(Wire.ANTHROPIC_MESSAGES, reports)

    assert usage is not None
    assert usage.source is UsageSource.PARTIAL
    assert usage.input_tokens == 6


def test_t11_usage_on_every_chunk_is_cumulative() -> None:
    reports = [
        UsageReport(b'{"prompt_tokens": 5, "completion_tokens": %d}' % n, final=True)
        for n in range(4)
    ]
    usage = read_reports(Wire.OPENAI_CHAT, reports)

    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (5, 3)


def test_responses_tell_lifetimes_of_cache_writes_and_the_tier_beside() -> None:
    raw = (
        b'{"input_tokens": 100, "output_tokens": 50, "total_tokens": 150,'
        b'"input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 30,'
        b'"cache_write_tokens_details": {"ttl_30m_tokens": 20, "ttl_12h_tokens": 10}},'
        b'"output_tokens_details": {"reasoning_tokens": 35}}'
    )

    usage = read_reports(Wire.OPENAI_RESPONSES, [UsageReport(raw, final=True, service_tier="flex")])

    assert usage == Usage(
        source=UsageSource.PROVIDER,
        input_tokens=100,
        cached_tokens=40,
        cache_write_30m=20,
        cache_write_12h=10,
        output_tokens=50,
        reasoning_tokens=35,
        service_tier="flex",
    )


def test_cache_writes_of_responses_without_a_lifetime_are_of_30_minutes() -> None:
    raw = b'{"input_tokens":9,"output_tokens":1,"input_tokens_details":{"cache_write_tokens":5}}'
    usage = read_reports(Wire.OPENAI_RESPONSES, [UsageReport(raw, final=True)])

    assert usage is not None
    assert (usage.cache_write_30m, usage.cache_write_12h) == (5, None)


def test_chat_tells_the_tier_beside_the_usage() -> None:
    raw = b'{"prompt_tokens": 1, "completion_tokens": 1}'
    report = UsageReport(raw, final=True, service_tier="priority")
    usage = read_reports(Wire.OPENAI_CHAT, [report])

    assert usage is not None
    assert usage.service_tier == "priority"


@pytest.mark.parametrize(
    ("raw", "tokens"),
    [
        (b'{"prompt_tokens": 8, "total_tokens": 8}', 8),
        (b'{"total_tokens": 8}', 8),
        (b'{"prompt_tokens": 0, "total_tokens": 0}', 0),
    ],
)
def test_embeddings_write_nothing(raw: bytes, tokens: int) -> None:
    usage = read_reports(Wire.OPENAI_EMBEDDINGS, [UsageReport(raw, final=True)])

    assert usage == Usage(source=UsageSource.PROVIDER, input_tokens=tokens, output_tokens=0)


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{}", b'"free"', b"[" * 100_000])
def test_reports_that_tell_nothing_are_no_usage(raw: bytes) -> None:
    for wire in Wire:
        assert read_reports(wire, [UsageReport(raw, final=True)]) is None


@given(raws=st.lists(nonsense(OPENAI_NAMES), min_size=1, max_size=3))
@example(raws=[b'{"prompt_tokens": 1, "completion_tokens": 1, "x": ' + b"[" * 100_000])
def test_openai_nonsense_never_raises_nor_breaks_an_invariant(raws: list[bytes]) -> None:
    usage = None
    for raw in raws:
        usage = read_openai_chat(raw, usage)
        assert_sane(usage)


@given(raws=st.lists(nonsense(ANTHROPIC_NAMES), min_size=1, max_size=3))
def test_anthropic_nonsense_never_raises_nor_breaks_an_invariant(raws: list[bytes]) -> None:
    usage = None
    for raw in raws:
        usage = read_anthropic(raw, usage)
        assert_sane(usage)

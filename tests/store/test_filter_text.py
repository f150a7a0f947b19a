from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.domain.errors import InvalidRequest
from trimtab.domain.record import Origin, Status
from trimtab.store.base import RecordFilter
from trimtab.store.filter_text import FIELDS, parse

NOW_US = 1_777_142_531_482_000
DAY_US = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", RecordFilter(), id="nothing"),
        pytest.param("  \t ", RecordFilter(), id="spaces"),
        pytest.param("tenant:acme", RecordFilter(tenant_id="acme"), id="tenant"),
        pytest.param("feature:search", RecordFilter(feature="search"), id="feature"),
        pytest.param("model:a/b:free", RecordFilter(model_requested="a/b:free"), id="model"),
        pytest.param("provider:sim", RecordFilter(provider="sim"), id="provider"),
        pytest.param("key:7hq2", RecordFilter(key_id="7hq2"), id="key"),
        pytest.param("status:lost", RecordFilter(status="lost"), id="status"),
        pytest.param("error:rate_limited", RecordFilter(error_code="rate_limited"), id="error"),
        pytest.param("origin:shadow", RecordFilter(origin="shadow"), id="origin"),
        pytest.param("trace:ab12", RecordFilter(trace_id="ab12"), id="trace"),
        pytest.param("response:resp_1", RecordFilter(response_id="resp_1"), id="response"),
        pytest.param(
            "prompt:a version:1.0.0",
            RecordFilter(prompt_name="a", prompt_version="1.0.0"),
            id="prompt",
        ),
        pytest.param("latency_ms:>2000", RecordFilter(min_latency_us=2_000_000), id="latency"),
        pytest.param("latency_ms:>=2", RecordFilter(min_latency_us=2000), id="at least"),
        pytest.param("since:90s", RecordFilter(since_us=NOW_US - 90_000_000), id="seconds"),
        pytest.param("since:5m", RecordFilter(since_us=NOW_US - 300_000_000), id="minutes"),
        pytest.param("until:24h", RecordFilter(until_us=NOW_US - DAY_US), id="hours"),
        pytest.param("since:7d", RecordFilter(since_us=NOW_US - 7 * DAY_US), id="days"),
        pytest.param(
            "since:2026-04-25", RecordFilter(since_us=NOW_US - NOW_US % DAY_US), id="a date in UTC"
        ),
        pytest.param(
            "since:2026-04-25T18:42:11.482", RecordFilter(since_us=NOW_US), id="an instant in UTC"
        ),
        pytest.param(
            "until:2026-04-25T20:42:11.482+02:00", RecordFilter(until_us=NOW_US), id="a zone"
        ),
        pytest.param(
            "tenant:acme  status:error since:1s",
            RecordFilter(tenant_id="acme", status="error", since_us=NOW_US - 1_000_000),
            id="several",
        ),
    ],
)
def test_words_become_a_filter(text: str, expected: RecordFilter) -> None:
    assert parse(text, NOW_US) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("acme", "'acme' is not a filter; write name:value", id="no name"),
        pytest.param("tenant:", "'tenant:' is not a filter; write name:value", id="no value"),
        pytest.param(
            "tenat:acme", "'tenat' is not a filter; did you mean 'tenant'?", id="misspelt"
        ),
        pytest.param("zzz:1", "'zzz' is not a filter; there is tenant, feature", id="unknown"),
        pytest.param("status:good", "'good' is none of ok, error", id="no status"),
        pytest.param("origin:dead", "'dead' is none of live, shadow", id="no origin"),
        pytest.param("latency_ms:2000", "write latency_ms:>2000", id="no bound"),
        pytest.param("latency_ms:>1s", "write latency_ms:>2000", id="no number"),
        pytest.param("latency_ms:>" + "9" * 20, "write latency_ms:>2000", id="beyond reason"),
        pytest.param("since:yesterday", "'yesterday' is no time; write 24h", id="no time"),
        pytest.param("since:3w", "'3w' is no time", id="no unit"),
    ],
)
def test_what_is_no_filter_is_refused_with_the_remedy(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(text, NOW_US)

    assert message in str(caught.value)
    assert caught.value.param == "q"


def test_every_member_of_a_filter_has_one_name() -> None:
    assert [member for member, _ in FIELDS.values()] == list(RecordFilter.__struct_fields__)


@pytest.mark.parametrize(
    "word", [*(f"status:{it}" for it in Status), *(f"origin:{it}" for it in Origin)]
)
def test_every_status_and_origin_can_be_asked_for(word: str) -> None:
    name, _, value = word.partition(":")

    assert getattr(parse(word, NOW_US), name) == value


@given(
    st.datetimes(
        datetime(2000, 1, 1),  # noqa: DTZ001 -- the strategy wants it so
        datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
    )
)
def test_an_instant_is_read_to_the_microsecond(at: datetime) -> None:
    since_us = parse(f"since:{at.isoformat()}", NOW_US).since_us

    assert since_us is not None
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=since_us) == at

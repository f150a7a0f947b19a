from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.domain.annotation import Annotation
from trimtab.domain.errors import InvalidRequest
from trimtab.domain.record import Origin, RequestRecord, Status
from trimtab.store.base.reading import RecordFilter
from trimtab.store.filter_text import FIELDS, narrowed, parse
from trimtab.store.terms import Op, Said, Term


def terms(*made: Term) -> RecordFilter:
    return RecordFilter(terms=made)


NOW_US = 1_777_142_531_482_000
DAY_US = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", RecordFilter(), id="nothing"),
        pytest.param("  \t ", RecordFilter(), id="spaces"),
        pytest.param("tenant:acme", terms(Term("tenant_id", Op.IN, ("acme",))), id="one value"),
        pytest.param(
            "model:a/b:free", terms(Term("model_requested", Op.IN, ("a/b:free",))), id="a colon"
        ),
        pytest.param(
            "-status:error,lost",
            terms(Term("status", Op.IN, ("error", "lost"), negated=True)),
            id="several values, turned round",
        ),
        pytest.param('feature:"a b,c*"', terms(Term("feature", Op.IN, ("a b,c*",))), id="quoted"),
        pytest.param("model:sim/*", terms(Term("model_requested", Op.PREFIX, ("sim/",))), id="*"),
        pytest.param(
            "prompt:a@1.0.0",
            terms(Term("prompt_name", Op.IN, ("a",)), Term("prompt_version", Op.IN, ("1.0.0",))),
            id="a version of a prompt",
        ),
        pytest.param(
            "latency_ms:>2000", terms(Term("latency_us", Op.ABOVE, (2_000_000,))), id="more than"
        ),
        pytest.param(
            "latency_ms:<=0.5", terms(Term("latency_us", Op.AT_MOST, (500,))), id="at most"
        ),
        pytest.param(
            "cost_usd:>0.01", terms(Term("cost_nano", Op.ABOVE, (10_000_000,))), id="money"
        ),
        pytest.param("tag:team=a=b", terms(Term("tags", Op.IN, ("a=b",), key="team")), id="a tag"),
        pytest.param("kept:no", terms(Term("trace_kept", Op.IN, (False,))), id="a flag"),
        pytest.param(
            "score:good:<0.5",
            RecordFilter(said=(Said(Term("score", Op.BELOW, (0.5,)), "good"),)),
            id="a score",
        ),
        pytest.param(
            "label:bad", RecordFilter(said=(Said(Term("label", Op.IN, ("bad",))),)), id="a label"
        ),
        pytest.param("Acme", RecordFilter(phrases=(("acme",),)), id="a word"),
        pytest.param(
            'so "the Refund  window" re-use',
            RecordFilter(phrases=(("so",), ("the", "refund", "window"), ("re", "use"))),
            id="words and phrases",
        ),
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
            RecordFilter(
                terms=(Term("tenant_id", Op.IN, ("acme",)), Term("status", Op.IN, ("error",))),
                since_us=NOW_US - 1_000_000,
            ),
            id="several",
        ),
    ],
)
def test_words_become_a_filter(text: str, expected: RecordFilter) -> None:
    assert parse(text, NOW_US) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(":acme", "':acme' is not a filter; write name:value", id="no name"),
        pytest.param('say "refund', "'\"refund' has a quote that nothing closes", id="one quote"),
        pytest.param("-refund", "'-refund' cannot be left out; only -name:value", id="not a word"),
        pytest.param("...", "'...' has no word to search for", id="no word"),
        pytest.param("status:,", "'status:' names nothing; write name:value", id="no values"),
        pytest.param("kept:maybe", "'maybe' is none of yes, no", id="no flag"),
        pytest.param("tag:team", "'team' is no tag; write tag:name=value", id="no tag"),
        pytest.param('tag:a"b=c', "is no tag", id="a quote in a tag"),
        pytest.param("-prompt:a@1", "'a@1' must stand alone; leave out @1", id="not a version"),
        pytest.param("prompt:a@1,b", "must stand alone", id="two versions"),
        pytest.param("-label:bad", "'-label' is not a filter; leave out the minus", id="no label"),
        pytest.param("score:good", "write score:faithfulness:<0.5", id="no score"),
        pytest.param("cost_usd:5", "'5' is no bound; write cost_usd:>2000", id="no amount"),
        pytest.param("sinze:1h", "did you mean 'since'?", id="a time misspelt"),
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


@pytest.mark.parametrize(
    "word", [*(f"status:{it}" for it in Status), *(f"origin:{it}" for it in Origin)]
)
def test_every_status_and_origin_can_be_asked_for(word: str) -> None:
    name, _, value = word.partition(":")

    assert parse(word, NOW_US) == terms(Term(name, Op.IN, (value,)))


def test_every_term_is_about_a_column() -> None:
    columns = {*RequestRecord.__struct_fields__, *Annotation.__struct_fields__}
    texts = ("a=b", ">1", "yes", "ok", "live", "full", "a:>1")
    for name in FIELDS:
        made = [it for text in texts if (it := _read(f"{name}:{text}"))]
        assert made, name
        for where in made:
            assert {it.column for it in where.terms} <= columns
            assert {it.term.column for it in where.said} <= columns


def _read(text: str) -> RecordFilter | None:
    try:
        return parse(text, NOW_US)
    except InvalidRequest:
        return None


@pytest.mark.parametrize("value", ["acme", "a b", "a,b", "x*", "prompts/a@b"])
def test_a_filter_is_narrowed_by_any_value(value: str) -> None:
    assert parse(narrowed("since:1h", "feature", value), NOW_US) == RecordFilter(
        since_us=NOW_US - 3_600_000_000, terms=(Term("feature", Op.IN, (value,)),)
    )


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

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trimtab.domain.budget import NO_BUDGET, Budget, Hold, Period, Speed, WhenEmpty, span

ZONES = (
    "UTC",
    "Europe/Rome",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/St_Johns",
    "Africa/Cairo",
    "Asia/Tehran",
    "Pacific/Chatham",
    "America/Santiago",
)
INSTANTS = st.integers(1_262_304_000_000_000, 2_208_988_800_000_000)


def us(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1e6)


@pytest.mark.parametrize(
    ("period", "zone", "at", "name", "hours"),
    [
        pytest.param(
            Period.MONTH, "Europe/Rome", "2026-10-31T23:30", "month:2026-10", 745, id="DST"
        ),
        pytest.param(
            Period.MONTH, "Europe/Rome", "2026-11-01T00:00", "month:2026-11", 720, id="next"
        ),
        pytest.param(Period.MONTH, "UTC", "2028-02-29T23:59", "month:2028-02", 696, id="leap year"),
        pytest.param(
            Period.MONTH, "UTC", "2026-12-31T23:59", "month:2026-12", 744, id="year's end"
        ),
        pytest.param(
            Period.DAY, "Europe/Rome", "2026-03-29T12:00", "day:2026-03-29", 23, id="short"
        ),
        pytest.param(
            Period.DAY, "Europe/Rome", "2026-10-25T12:00", "day:2026-10-25", 25, id="long"
        ),
        pytest.param(
            Period.DAY, "Asia/Kolkata", "2026-10-25T00:00", "day:2026-10-25", 24, id="+5:30"
        ),
        pytest.param(
            Period.DAY, "Africa/Cairo", "2026-04-24T12:00", "day:2026-04-24", 23, id="no midnight"
        ),
        pytest.param(
            Period.HOUR,
            "Asia/Kathmandu",
            "2026-10-25T00:59",
            "hour:2026-10-24T18Z15",
            1,
            id="+5:45",
        ),
    ],
)
def test_t18_a_span_is_named_by_the_payers_own_calendar(
    period: Period, zone: str, at: str, name: str, hours: int
) -> None:
    found = span(period, zone, us(at, zone))

    assert found.name == name
    assert found.ends_us - found.since_us == hours * 3_600_000_000


@given(zone=st.sampled_from(ZONES), at_us=INSTANTS, period=st.sampled_from(Period))
def test_t18_every_instant_is_in_one_span_and_the_next_begins_where_it_ends(
    zone: str, at_us: int, period: Period
) -> None:
    found = span(period, zone, at_us)

    assert found.since_us <= at_us < found.ends_us
    assert span(period, zone, found.since_us) == found
    assert span(period, zone, found.ends_us - 1) == found
    following = span(period, zone, found.ends_us)
    assert following.since_us == found.ends_us
    assert following.name != found.name


@given(zone=st.sampled_from(ZONES), at_us=INSTANTS)
def test_t18_days_and_months_bear_the_date_that_people_see(zone: str, at_us: int) -> None:
    seen = datetime.fromtimestamp(at_us / 1e6, UTC).astimezone(ZoneInfo(zone))

    assert span(Period.DAY, zone, at_us).name == f"day:{seen:%Y-%m-%d}"
    assert span(Period.MONTH, zone, at_us).name == f"month:{seen:%Y-%m}"


def test_an_hour_that_the_clock_shows_twice_is_two() -> None:
    first, second = us("2026-10-25T00:30"), us("2026-10-25T01:30")

    assert span(Period.HOUR, "Europe/Rome", first) != span(Period.HOUR, "Europe/Rome", second)


def test_what_a_tenant_does_not_say_its_tier_does() -> None:
    tier = Budget(
        nano=5,
        per=Period.DAY,
        speed=Speed(nano=2),
        when_empty=WhenEmpty.WARN,
        hold=Hold.STRICT,
        warn_at=(50,),
    )

    assert NO_BUDGET.over(tier) == tier
    assert Budget(nano=8).over(tier) == replace(tier, nano=8)
    own = Budget(hold=Hold.ESTIMATE, warn_at=())
    assert own.over(tier) == replace(tier, hold=Hold.ESTIMATE, warn_at=())


def test_one_that_refuses_nothing_tells_when_it_is_empty_and_cannot_be_strict() -> None:
    warns = Budget(nano=5, hold=Hold.STRICT, when_empty=WhenEmpty.WARN)

    assert (warns.is_strict, warns.thresholds) == (False, (100,))
    assert replace(warns, warn_at=(80,)).thresholds == (80,)
    blocks = replace(warns, when_empty=WhenEmpty.BLOCK)
    assert (blocks.is_strict, blocks.thresholds) == (True, ())
    assert not NO_BUDGET.is_strict


def test_a_speed_refills_in_its_period() -> None:
    assert [Speed(nano=1, per=period).per_s for period in Period] == [3600, 86_400, 2_592_000]

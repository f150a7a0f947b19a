import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.domain.trace_context import (
    MAX_CHARS,
    MAX_MEMBERS,
    WHOLE,
    OpenTelemetry,
    checked,
    opentelemetry,
    th_text,
    with_opentelemetry,
)

RV = "6e6d1a75832a2f"


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        pytest.param("b=2,a=1", "b=2,a=1", id="in order"),
        pytest.param(" b=2 , , a=1\t", "b=2,a=1", id="empty members and blanks"),
        pytest.param("1t@vendor=x=", None, id="an equals sign in a value"),
        pytest.param("1t@ven*d-o_r/=x y", "1t@ven*d-o_r/=x y", id="all that a key may have"),
        pytest.param("a=1,a=2", None, id="a key twice"),
        pytest.param("A=1", None, id="a capital"),
        pytest.param("a=\xe9", None, id="no ASCII"),
        pytest.param("a=", None, id="no value"),
        pytest.param("a", None, id="no member"),
        pytest.param("", None, id="nothing"),
        pytest.param(f"{'k' * 257}=1", None, id="a long key"),
        pytest.param(f"a={'v' * 257}", None, id="a long value"),
        pytest.param(",".join(f"a{n}=1" for n in range(33)), None, id="33 members"),
    ],
)
def test_a_list_that_breaks_a_rule_is_as_good_as_none(raw: str, kept: str | None) -> None:
    assert checked(raw) == kept


def test_of_a_list_that_is_too_long_large_members_go_first_and_then_the_last() -> None:
    large = f"large={'x' * 200}"
    small = [f"a{n:02}={'x' * 30}" for n in range(20)]

    kept = (checked(",".join([large, *small])) or "").split(",")

    assert kept == small[: len(kept)]
    assert MAX_CHARS - 40 < len(",".join(kept)) <= MAX_CHARS
    assert checked(",".join([large, *small[:5]])) == ",".join([large, *small[:5]])


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("ot=th:8", OpenTelemetry(WHOLE // 2)),
        ("a=1,ot=th:0;rv:" + RV, OpenTelemetry(0, RV)),
        ("ot=rv:" + RV[1:], OpenTelemetry()),
        ("ot=th:" + "f" * 15, OpenTelemetry()),
        ("ot=th:F;p:8;junk", OpenTelemetry()),
        ("rot=th:8", OpenTelemetry()),
    ],
)
def test_what_is_malformed_in_our_member_was_not_said(state: str, said: OpenTelemetry) -> None:
    assert opentelemetry(state) == said


def test_ours_comes_first_once_and_those_of_others_stay_in_order() -> None:
    state = "b=2,ot=th:8;rv:6e6d1a75832a2f;p:8,a=1"

    assert (
        with_opentelemetry(state, OpenTelemetry(WHOLE // 4 * 3, RV)) == f"ot=th:c;rv:{RV},b=2,a=1"
    )
    quarter = OpenTelemetry(WHOLE // 4 * 3, RV)
    assert with_opentelemetry(state, quarter) == f"ot=th:c;rv:{RV},b=2,a=1"
    assert with_opentelemetry(state, OpenTelemetry(rv=RV)) == f"ot=rv:{RV},b=2,a=1"
    assert with_opentelemetry(state, OpenTelemetry()) == "b=2,a=1"
    assert with_opentelemetry("ot=th:8", OpenTelemetry()) is None
    assert with_opentelemetry(None, OpenTelemetry(0)) == "ot=th:0"


def test_where_there_is_no_room_for_ours_the_last_one_goes() -> None:
    full = [f"a{n}=1" for n in range(MAX_MEMBERS)]

    assert with_opentelemetry(",".join(full), OpenTelemetry(0)) == ",".join(["ot=th:0", *full[:-1]])


@given(st.integers(0, WHOLE - 1))
def test_a_threshold_is_read_back_as_it_was_written(threshold: int) -> None:
    assert opentelemetry(f"ot=th:{th_text(threshold)}").th == threshold
    assert len(th_text(threshold)) == 1 or not th_text(threshold).endswith("0")

import pytest
from msgspec import Struct
from tests.cost.provider_bills.answers import DAY, MIDNIGHT_S, Told, answer

from trimtab.cost.provider_bills.pages import (
    DAY_S,
    TRIES,
    FetchIncomplete,
    Page,
    Span,
    buckets,
    read_amount,
)
from trimtab.domain.transport import ConnectFailed

URL = "https://api.example.com/v1"
DONE: dict[str, object] = {"data": [], "has_more": False}


class Bucket(Struct, frozen=True):
    start: int
    end: int


def day(number: int) -> dict[str, int]:
    return {"start": MIDNIGHT_S + number * DAY_S, "end": MIDNIGHT_S + (number + 1) * DAY_S}


def days(count: int, now_days: int = 30) -> Span:
    return Span(MIDNIGHT_S, MIDNIGHT_S + count * DAY_S, MIDNIGHT_S + now_days * DAY_S)


async def walk(told: Told, span: Span) -> list[int]:
    query = [("a", "b")]
    found = buckets(told.fetch, "/usage", query, Page[Bucket], span, lambda it: (it.start, it.end))
    return [(bucket.start - MIDNIGHT_S) // DAY_S async for bucket in found]


async def test_pages_are_read_to_the_end() -> None:
    told = Told(
        URL,
        answer({"data": [day(0), day(1)], "has_more": True, "next_page": "page_2"}),
        answer({"data": [day(2)], "has_more": False, "next_page": None}),
    )

    assert await walk(told, days(3)) == [0, 1, 2]
    assert told.asked == [
        ("/usage", {"a": ["b"]}),
        ("/usage", {"a": ["b"], "page": ["page_2"]}),
    ]


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        pytest.param(
            [{"data": [day(0)], "has_more": True, "next_page": None}], "cut off", id="no next page"
        ),
        pytest.param(
            [
                {"data": [day(0)], "has_more": True, "next_page": "p"},
                {"data": [day(0)], "has_more": True, "next_page": "p"},
            ],
            "came twice",
            id="duplicated page",
        ),
        pytest.param(
            [{"data": [day(0), day(2)], "has_more": False}], "bucket is missing", id="gap"
        ),
        pytest.param([{"data": [day(1)], "has_more": False}], "bucket is missing", id="late start"),
        pytest.param(
            [{"data": [day(0), day(1)], "has_more": False}], "last bucket", id="early end"
        ),
        pytest.param([DONE], "last bucket", id="nothing"),
        pytest.param(['{"data": [{"start": 1'], "cannot be read", id="cut in the middle"),
        pytest.param([{"data": "none", "has_more": False}], "cannot be read", id="other shape"),
        pytest.param(
            [{"data": [{"start": MIDNIGHT_S, "end": MIDNIGHT_S + 3600}], "has_more": False}],
            "bucket is missing",
            id="hours for days",
        ),
    ],
)
async def test_what_is_not_whole_is_never_given(pages: list[object], why: str) -> None:
    told = Told(URL, *(answer(page) for page in pages))

    with pytest.raises(FetchIncomplete, match=why):
        await walk(told, days(3))


async def test_a_day_that_is_not_over_may_be_left_out() -> None:
    told = Told(URL, answer({"data": [day(0), day(1)], "has_more": False}))

    assert await walk(told, days(3, now_days=2)) == [0, 1]


async def test_429_and_failures_are_tried_again_ever_later() -> None:
    told = Told(
        URL,
        answer("", 429),
        answer("", 503),
        ConnectFailed("away"),
        answer("", 429, ((b"retry-after", b"20"),)),
        answer(DONE),
    )

    await walk(told, days(0))

    assert told.waits == [2.0, 4.0, 8.0, 20.0]


async def test_it_gives_up_after_some_tries() -> None:
    told = Told(URL, *(answer("", 429, ((b"retry-after", b"999"),)) for _ in range(TRIES)))

    with pytest.raises(FetchIncomplete, match="answer 429, 6 times"):
        await walk(told, days(1))

    assert told.waits == [60.0] * (TRIES - 1)


@pytest.mark.parametrize(
    ("status", "why"), [(401, "admin key is refused"), (403, "rotated"), (404, "answer 404")]
)
async def test_what_will_not_change_is_not_tried_again(status: int, why: str) -> None:
    told = Told(URL, answer("{}", status))

    with pytest.raises(FetchIncomplete, match=why) as caught:
        await walk(told, days(1))

    assert told.waits == []
    assert "sk-secret" not in str(caught.value)
    assert "sk-secret" not in repr(told.fetch.desk)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://api.example.com/v1", "/usage"),
        ("https://api.example.com/", "/usage"),
        ("https://proxy.example.com/openai/v1/", "/openai/usage"),
    ],
)
async def test_the_route_is_below_the_url_of_the_provider(url: str, path: str) -> None:
    told = Told(url, answer(DONE))

    await walk(told, days(0))

    assert told.asked[0][0] == path


@pytest.mark.parametrize(
    ("raw", "nano", "is_text"),
    [
        (b"0.06", 60_000_000, False),
        (b"0.013080000000000001", 13_080_000, False),
        (b"1e-05", 10_000, False),
        (b"123456789.123456789", 123_456_789_123_456_789, False),
        (b'"0.06"', 60_000_000, True),
        (b"-3", -3_000_000_000, False),
        (b"0.0000000005", 0, False),
    ],
)
def test_an_amount_is_read_exactly(raw: bytes, nano: int, is_text: bool) -> None:  # noqa: FBT001
    assert read_amount("/costs", raw) == (nano, is_text)


def test_an_amount_may_be_in_cents() -> None:
    assert read_amount("/costs", b'"123.45"', 10_000_000) == (1_234_500_000, True)


@pytest.mark.parametrize("raw", [b"null", b'"a lot"', b"{}", b'"NaN"', b'"Infinity"', b'"\xff"'])
def test_what_is_no_amount_is_refused(raw: bytes) -> None:
    with pytest.raises(FetchIncomplete, match=r"/costs: .* is no amount"):
        read_amount("/costs", raw)


def test_the_day_of_these_tests_is_one_day() -> None:
    assert DAY.end_s - DAY.start_s == DAY_S

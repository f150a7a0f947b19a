import pytest

from trimtab.pipeline.retry_after import retry_after_s

NOON_US = 1_767_268_800_000_000  # 2026-01-01 12:00:00 UTC


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        pytest.param([], None, id="none"),
        pytest.param([(b"retry-after", b"7")], 7.0, id="seconds"),
        pytest.param([(b"retry-after", b"0.5")], 0.5, id="parts of a second"),
        pytest.param([(b"retry-after", b"Thu, 01 Jan 2026 12:00:30 GMT")], 30.0, id="a date"),
        pytest.param([(b"retry-after", b"Thu, 01 Jan 2026 11:00:00 GMT")], 0.0, id="a past date"),
        pytest.param([(b"retry-after-ms", b"1500")], 1.5, id="milliseconds"),
        pytest.param(
            [(b"retry-after", b"2"), (b"retry-after-ms", b"1500")], 1.5, id="the exact one first"
        ),
        pytest.param([(b"retry-after", b"99999999")], 86_400.0, id="never longer than a day"),
        pytest.param([(b"retry-after", b"-1")], None, id="negative"),
        pytest.param([(b"retry-after", b"soon")], None, id="words"),
        pytest.param([(b"retry-after", b"\xff")], None, id="bytes"),
        pytest.param([(b"retry-after-ms", b"Thu, 01 Jan 2026")], None, id="no date in ms"),
    ],
)
def test_reads_the_wait_in_all_its_forms(
    headers: list[tuple[bytes, bytes]], wait_s: float | None
) -> None:
    assert retry_after_s(headers, NOON_US) == wait_s

import msgspec
from tests.records import finish
from tests.telemetry.shapes import attempt

from trimtab.domain.change import Change, Pointer, PointerKind, Source
from trimtab.domain.record import Attempt, Detail, StageTime
from trimtab.incidents.explain import explain
from trimtab.store.base import StoredRecord

MOVED = Change(
    seq=402,
    change_id="c_1",
    ts_us=1,
    pointer=Pointer(PointerKind.MODEL, "chat"),
    before=None,
    after=b"{}",
    author="ana",
    source=Source.CLI,
    reason="Q4 model",
    prev_hash="",
    hash="",
)


def stored(
    *attempts: Attempt,
    stages: int = 6,
    skipped: tuple[tuple[str, str], ...] = (),
    status: str = "ok",
    error_code: str | None = None,
) -> StoredRecord:
    made = finish(7, status=status, error_code=error_code)
    passed = ("admit", "plan", "screen_input", "fund", "call", "settle")[:stages]
    times = tuple(StageTime(stage, number * 100, 100) for number, stage in enumerate(passed))
    return StoredRecord(
        record=made.record,
        detail=Detail(stages=times, skipped=skipped),
        attempts=attempts,
        lines=made.lines,
    )


def told(it: StoredRecord, moved: Change | None = MOVED) -> dict[str, str]:
    return {step.stage: step.what for step in explain(it, key_name="app", moved=moved)}


def test_tells_who_was_admitted_and_who_led_the_name_where() -> None:
    said = told(stored(attempt(), skipped=(("mute/m", "unsupported_by_target"),)))

    assert "key app (" in said["admitted"]
    assert 'change 402 by ana: "Q4 model"' in said["planned"]
    assert "skipped mute/m: unsupported_by_target" in said["planned"]


def test_tells_why_each_attempt_followed_the_one_before() -> None:
    first = msgspec.structs.replace(
        attempt(), n=1, target="a/large", error_code="provider_overloaded", http_status=529
    )
    again = msgspec.structs.replace(first, n=2)
    other = msgspec.structs.replace(attempt(), n=3, target="b/large", error_code=None)

    said = told(stored(first, again, other))

    assert "a/large 529" in said["attempt 1"]
    assert said["attempt 2"].endswith("(again after provider_overloaded)")
    assert said["attempt 3"].endswith("(fallback after provider_overloaded)")


def test_tells_which_stage_refused() -> None:
    it = stored(stages=3, status="rejected", error_code="rate_limited")

    assert told(it)["refused"] == "by fund: rate_limited"


def test_steps_are_in_the_order_of_time() -> None:
    steps = explain(stored(attempt()), key_name=None, moved=None)

    assert [step.ts_us for step in steps] == sorted(step.ts_us for step in steps)
    assert steps[-1].stage == "settled"

from trimtab.sim.calls import MOST_BYTES, MOST_CALLS, Calls, Seen


def _call(body: bytes) -> Seen:
    return Seen(1.0, "POST", "/", "acct", {}, body)


def test_the_oldest_calls_are_forgotten() -> None:
    calls = Calls()

    for number in range(MOST_CALLS + 5):
        calls.add(_call(b"%d" % number))

    told = calls.told()
    assert told["count"] == MOST_CALLS + 5
    assert (len(told["calls"]), told["calls"][0]["body"]) == (MOST_CALLS, "5")


def test_long_bodies_leave_room_for_fewer_calls() -> None:
    calls = Calls()

    for _ in range(3):
        calls.add(_call(bytes(MOST_BYTES // 2)))

    assert len(calls.told()["calls"]) == 2


def test_bytes_that_are_no_text_are_shown_as_well_as_they_can_be() -> None:
    calls = Calls()
    calls.add(_call(b"a\xff"))

    assert calls.told()["calls"][0]["body"] == "a\N{REPLACEMENT CHARACTER}"

from trimtab.store.base.idempotency import Claim
from trimtab.store.memory.idempotency import MemoryIdempotency
from trimtab.testing import FrozenClock


async def carry_out(store: MemoryIdempotency, key: str, answer: bytes) -> None:
    claim = Claim(request_id=f"r_{key}", asked=b"")
    assert await store.claim(key, claim, lease_s=60) is None
    done = Claim(request_id=f"r_{key}", asked=b"", done=True, answer=answer)
    await store.keep(key, done, for_s=60)


async def seen(store: MemoryIdempotency, key: str) -> Claim | None:
    return await store.claim(key, Claim(request_id="r_new", asked=b""), lease_s=60)


async def test_of_too_many_bytes_the_oldest_answer_goes_but_not_that_it_was_given() -> None:
    store = MemoryIdempotency(FrozenClock(), most_bytes=10)
    for key in "abc":
        await carry_out(store, key, b"12345")

    oldest, newest = await seen(store, "a"), await seen(store, "c")

    assert oldest
    assert (oldest.done, oldest.answer) == (True, None)
    assert newest
    assert newest.answer == b"12345"


async def test_of_too_many_keys_the_oldest_goes_but_none_that_runs() -> None:
    store = MemoryIdempotency(FrozenClock(), most_keys=2)
    running = Claim(request_id="r_1", asked=b"")
    await store.claim("running", running, lease_s=60)
    for key in "abc":
        await carry_out(store, key, b"12345")

    assert await seen(store, "running") == running
    assert await seen(store, "b")
    assert await seen(store, "a") is None


async def test_what_lapsed_takes_no_room() -> None:
    clock = FrozenClock()
    store = MemoryIdempotency(clock, most_bytes=10)
    await carry_out(store, "a", b"12345")
    clock.advance(61)
    await carry_out(store, "b", b"12345")
    await carry_out(store, "c", b"12345")

    kept = [await seen(store, key) for key in "bc"]

    assert [it.answer for it in kept if it] == [b"12345", b"12345"]

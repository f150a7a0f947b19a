"""Passwords, sessions, throttling."""

import pytest
from tests.console.conftest import PHRASE, Stores

from trimtab.console.auth import (
    Right,
    Sessions,
    Throttle,
    ensure_admin,
    hash_password,
    rights_of,
    verify_password,
)
from trimtab.store.base.control import Account
from trimtab.testing import FrozenClock, seeded_entropy

KEY = b"k" * 32
HASH, OTHER_HASH = "scrypt$00$11", "scrypt$22$33"
ANA = Account(name="ana", role="operator", password=HASH)


@pytest.fixture
def stores(clock: FrozenClock) -> Stores:
    stores = Stores(clock)
    stores.people["ana"] = ANA
    return stores


@pytest.fixture
def sessions(stores: Stores, clock: FrozenClock) -> Sessions:
    return Sessions(KEY, stores, clock)


def test_a_password_fits_its_own_hash_and_no_other() -> None:
    chance = seeded_entropy()
    stored = hash_password(PHRASE, chance)

    assert verify_password(PHRASE, stored)
    assert not verify_password(PHRASE + " ", stored)
    assert hash_password(PHRASE, chance) != stored


def test_a_password_never_fits_a_hash_of_another_scheme() -> None:
    assert not verify_password("", "")
    assert not verify_password("x", "plain$$x")


async def test_the_first_start_makes_an_admin_and_the_second_does_not(clock: FrozenClock) -> None:
    stores = Stores(clock)

    password = await ensure_admin(stores, seeded_entropy())
    again = await ensure_admin(stores, seeded_entropy())

    assert password is not None
    assert len(password) >= 32
    assert verify_password(password, stores.people["admin"].password)
    assert password not in stores.people["admin"].password
    assert again is None


async def test_a_session_speaks_for_its_account(sessions: Sessions) -> None:
    actor = await sessions.read(sessions.open(ANA))

    assert actor is not None
    assert (actor.name, actor.role) == ("ana", "operator")


async def test_a_session_ends_after_twelve_hours(sessions: Sessions, clock: FrozenClock) -> None:
    cookie = sessions.open(ANA)

    clock.advance(12 * 3600 - 1)
    assert await sessions.read(cookie) is not None
    clock.advance(1)
    assert await sessions.read(cookie) is None


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param("", id="empty"),
        pytest.param("....", id="dots"),
        pytest.param("\x00", id="control character"),
        pytest.param("WyJhbmEiXQ==.00", id="too few claims"),
        pytest.param("WyJhbmEiLCJhZG1pbiIsOTk5OTk5OTk5OTk5OTk5OTld.00", id="forged"),
    ],
)
async def test_a_cookie_of_somebody_elses_making_speaks_for_nobody(
    sessions: Sessions, cookie: str
) -> None:
    assert await sessions.read(cookie) is None


async def test_every_byte_of_a_cookie_is_signed(sessions: Sessions) -> None:
    cookie = sessions.open(ANA)

    for index, char in enumerate(cookie):
        changed = cookie[:index] + ("A" if char != "A" else "B") + cookie[index + 1 :]
        assert await sessions.read(changed) is None


@pytest.mark.parametrize(
    "account",
    [
        pytest.param(Account(name="ana", role="viewer", password=ANA.password), id="other role"),
        pytest.param(Account(name="ana", role=ANA.role, password=OTHER_HASH), id="new password"),
    ],
)
async def test_changing_an_account_ends_its_sessions(
    sessions: Sessions, stores: Stores, account: Account
) -> None:
    cookie = sessions.open(ANA)

    stores.people["ana"] = account

    assert await sessions.read(cookie) is None


async def test_the_csrf_token_is_not_the_cookies_signature(sessions: Sessions) -> None:
    cookie = sessions.open(ANA)

    actor = await sessions.read(cookie)

    assert actor is not None
    assert actor.csrf not in {None, "", cookie.partition(".")[2]}


def test_the_sixth_failure_in_a_minute_waits(clock: FrozenClock) -> None:
    throttle = Throttle(clock)
    for _ in range(5):
        assert throttle.admit("ana") == 0
        clock.advance(2)

    assert throttle.admit("ana") == 50
    assert throttle.admit("bob") == 0
    clock.advance(50)
    assert throttle.admit("ana") == 0


def test_guessing_many_names_is_bounded_too(clock: FrozenClock) -> None:
    throttle = Throttle(clock)
    for index in range(20):
        assert throttle.admit(f"guess-{index}") == 0

    assert throttle.admit("ana") > 0


def test_a_login_forgets_its_failures(clock: FrozenClock) -> None:
    throttle = Throttle(clock)
    for _ in range(5):
        throttle.admit("ana")

    throttle.forgive("ana")

    assert throttle.admit("ana") == 0


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        ("viewer", {Right.READ}),
        ("editor", {Right.READ, Right.DRAFT}),
        ("operator", {Right.READ, Right.DRAFT, Right.OPERATE}),
        ("operator+content", {Right.READ, Right.DRAFT, Right.OPERATE, Right.CONTENT}),
        ("admin", set(Right)),
        ("root", set[Right]()),
        ("root+content", set[Right]()),
        ("viewer+administer", {Right.READ}),
    ],
)
def test_a_role_has_its_rights_and_no_others(role: str, rights: set[Right]) -> None:
    assert rights_of(role) == rights


def test_what_one_address_does_locks_nobody_out_elsewhere(clock: FrozenClock) -> None:
    throttle = Throttle(clock)
    for _ in range(5):
        throttle.admit("ana", "203.0.113.9")

    assert throttle.admit("ana", "203.0.113.9") > 0
    assert throttle.admit("ana", "192.0.2.1") == 0

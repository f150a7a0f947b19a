"""Who is there and what they may do: passwords, sessions, throttling, roles.

A session is a cookie that the server signs and nobody stores. Its signature covers the account's
password hash and role, so that changing either ends every session that was open.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import scrypt
from typing import NamedTuple

import msgspec

from trimtab.domain.clock import Clock
from trimtab.domain.errors import InvalidRequest
from trimtab.domain.ids import Entropy
from trimtab.domain.tenant import NAME
from trimtab.store.base.control import Account, Accounts

SESSION_US = 12 * 3600 * 1_000_000
ADMIN = "admin"
TOKEN_BYTES = 24
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P, _SALT_BYTES = 2**14, 8, 1, 16
_MAX_PASSWORD_CHARS = 1024


class Right(StrEnum):
    """What an actor may do; every route asks for exactly one."""

    READ = "read"
    DRAFT = "draft"
    OPERATE = "operate"
    ADMINISTER = "administer"
    CONTENT = "content"


_VIEWER = frozenset({Right.READ})
_EDITOR = _VIEWER | {Right.DRAFT}
_OPERATOR = _EDITOR | {Right.OPERATE}

RIGHTS: Mapping[str, frozenset[Right]] = {
    "viewer": _VIEWER,
    "editor": _EDITOR,
    "operator": _OPERATOR,
    ADMIN: _OPERATOR | {Right.ADMINISTER, Right.CONTENT},
}
"""What each role may do. An account's role may add one right: `operator+content`."""


def rights_of(role: str) -> frozenset[Right]:
    """Read the rights from an account's role; an unknown word gives none."""
    name, _, extra = role.partition("+")
    added = {Right.CONTENT} if extra == Right.CONTENT and name in RIGHTS else set[Right]()
    return RIGHTS.get(name, frozenset()) | added


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who has shown who they are.

    Attributes:
        csrf: Token that every change made by browser must carry; `None` for a bearer token,
            which no browser sends by itself.
    """

    name: str
    role: str
    csrf: str | None

    def may(self, right: Right) -> bool:
        """Whether the actor holds a right."""
        return right in rights_of(self.role)


def hash_password(password: str, entropy: Entropy) -> str:
    """Hash a password with scrypt (RFC 7914) under a fresh salt: `scrypt$<salt>$<hash>`."""
    salt = entropy(_SALT_BYTES)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def verify_password(password: str, stored: str) -> bool:
    """Compare a password with a stored hash, in constant time."""
    scheme, _, rest = stored.partition("$")
    salt, _, expected = rest.partition("$")
    if scheme != "scrypt" or len(password) > _MAX_PASSWORD_CHARS:
        return False
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), expected)


UNKNOWN_ACCOUNT = f"scrypt${'00' * _SALT_BYTES}${'00' * 64}"
"""What a password is compared with when nobody has that name, so that it takes as long."""


async def ensure_admin(accounts: Accounts, entropy: Entropy) -> str | None:
    """Make the first account and return its password, to be shown once; `None` if it exists."""
    if await accounts.account(ADMIN) is not None:
        return None
    return await renew_password(accounts, ADMIN, ADMIN, entropy)


async def renew_password(accounts: Accounts, name: str, role: str, entropy: Entropy) -> str:
    """Give an account, new or old, a role and a new password; ends its sessions.

    Raises:
        InvalidRequest: the name or the role is none.
    """
    if NAME.fullmatch(name) is None:
        raise InvalidRequest(f"{name!r} is no name; use a-z, 0-9, '.', '_' and '-'", param="name")
    if not rights_of(role):
        raise InvalidRequest(f"{role!r} is no role; choose of {', '.join(RIGHTS)}", param="role")
    password = urlsafe_b64encode(entropy(TOKEN_BYTES)).decode().rstrip("=")
    stored = hash_password(password, entropy)
    await accounts.put_account(Account(name=name, role=role, password=stored))
    return password


def _scrypt(password: str, salt: bytes) -> bytes:
    return scrypt(password.encode(), salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P)


class _Claims(NamedTuple):
    name: str
    role: str
    expires_us: int


_claims = msgspec.json.Decoder(_Claims)


@dataclass(frozen=True, slots=True)
class Sessions:
    """Makes and reads session cookies.

    Attributes:
        key: Signs; whoever has it can be anybody.
    """

    key: bytes
    accounts: Accounts
    clock: Clock

    def open(self, account: Account) -> str:
        """Make the cookie of an account that has just logged in; good for 12 hours."""
        claims = _Claims(account.name, account.role, self.clock.now_us() + SESSION_US)
        body = urlsafe_b64encode(msgspec.json.encode(claims)).decode()
        return f"{body}.{self._sign('session', body, account)}"

    async def read(self, cookie: str) -> Actor | None:
        """Find who a cookie speaks for; `None` if it is forged, expired or outdated."""
        body, _, signature = cookie.partition(".")
        try:
            claims = _claims.decode(urlsafe_b64decode(body))
        except ValueError:
            return None
        account = await self.accounts.account(claims.name)
        if account is None or claims.expires_us <= self.clock.now_us():
            return None
        if not hmac.compare_digest(
            signature.encode(), self._sign("session", body, account).encode()
        ):
            return None
        return Actor(account.name, account.role, self._sign("csrf", body, account))

    def _sign(self, purpose: str, body: str, account: Account) -> str:
        text = f"{purpose}\n{body}\n{account.role}\n{account.password}"
        return hmac.digest(self.key, text.encode(), "sha256").hex()


class Throttle:
    """Slows guessing. State: failures of the last minute: when, from where, at which account.

    An attempt counts as a failure until it is forgiven, so that many at once get no further than
    one after the other. What one address does locks nobody out who comes from another, until there
    are so many together that it is no accident.
    """

    PER_ACCOUNT = 5
    PER_CLIENT = 20
    TOGETHER = 1000
    WINDOW_S = 60.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: deque[tuple[float, str, str]] = deque()

    def admit(self, name: str, client: str = "") -> float:
        """Count an attempt; returns seconds to wait if it must not be made, else 0."""
        now_s = self._clock.monotonic_s()
        while self._failures and self._failures[0][0] <= now_s - self.WINDOW_S:
            self._failures.popleft()
        theirs = [(at_s, who) for at_s, where, who in self._failures if where == client]
        own = [at_s for at_s, who in theirs if who == name]
        for times, most in (
            (own, self.PER_ACCOUNT),
            ([at_s for at_s, _ in theirs], self.PER_CLIENT),
            ([at_s for at_s, _, _ in self._failures], self.TOGETHER),
        ):
            if len(times) >= most:
                return times[-most] + self.WINDOW_S - now_s
        self._failures.append((now_s, client, name))
        return 0.0

    def forgive(self, name: str) -> None:
        """Forget the failures of an account that has logged in."""
        self._failures = deque(entry for entry in self._failures if entry[2] != name)

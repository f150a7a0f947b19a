"""The text form of keys: `tt_<env>_<id>_<secret><check>`.

The check digits are a CRC-32 over everything before them, so that scanners find leaked keys and
typing errors are told from wrong keys without a look-up.
"""

import re
from hashlib import sha256
from typing import NamedTuple
from zlib import crc32

from trimtab.domain.ids import Entropy, KeyId

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH, _SECRET_BYTES, _SECRET_LENGTH, _CHECK_LENGTH = 12, 32, 43, 6
_FORM = re.compile(r"tt_[a-z]{2,8}_([a-z0-9]{12})_[0-9A-Za-z]{43}([0-9A-Za-z]{6})")

_HASH = re.compile(rb'("sha256":"[0-9a-f]{8})[0-9a-f]+')


class NewKey(NamedTuple):
    """A key just made. `text` is shown once and never stored."""

    id: KeyId
    text: str
    sha256: str


def new_key(environment: str, entropy: Entropy, *, key_id: KeyId | None = None) -> NewKey:
    """Make a key with 256 bits of secret, or only a new text for the id of one.

    `environment` is 2 to 8 lower-case letters.
    """
    if key_id is None:
        key_id = KeyId(_digits(int.from_bytes(entropy(16)), _BASE36, _ID_LENGTH))
    secret = _digits(int.from_bytes(entropy(_SECRET_BYTES)), _BASE62, _SECRET_LENGTH)
    body = f"tt_{environment}_{key_id}_{secret}"
    text = body + _check(body)
    return NewKey(key_id, text, digest(text))


def key_id_of(text: str) -> KeyId | None:
    """Read the id from a well-formed key; `None` if the form or the check digits are wrong."""
    match = _FORM.fullmatch(text)
    if match is None or _check(text[:-_CHECK_LENGTH]) != match[2]:
        return None
    return KeyId(match[1])


def digest(text: str) -> str:
    """Hash a key for storage. A fast hash is right for 256 random bits."""
    return sha256(text.encode()).hexdigest()


def without_hashes(value: bytes) -> bytes:
    """Cut the hashes of keys short in canonical JSON: enough to see that one changed."""
    return _HASH.sub(rb"\1...", value)


def _check(body: str) -> str:
    return _digits(crc32(body.encode()), _BASE62, _CHECK_LENGTH)


def _digits(value: int, alphabet: str, length: int) -> str:
    base = len(alphabet)
    out: list[str] = []
    for _ in range(length):
        value, digit = divmod(value, base)
        out.append(alphabet[digit])
    return "".join(reversed(out))

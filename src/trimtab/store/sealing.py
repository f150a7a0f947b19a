"""Content that nobody reads without the key of its tenant: AES-256-GCM (NIST SP 800-38D).

Each tenant has a random key, which the control store holds wrapped by the master key of the site.
What seals is derived from it with HKDF-SHA-256 (RFC 5869) and a salt of its own for each process,
so that no derived key meets more than 2^30 random nonces. A sealed blob is

    id of the tenant's key, 8 bytes | salt, 8 | nonce, 12 | ciphertext | tag, 16

and its ref is authenticated with it: a blob in another's place does not open.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.ids import Entropy
from trimtab.store.base.control import ContentKey

KEY_BYTES = 32
MOST_SEALED = 1 << 30

_ID_BYTES, _SALT_BYTES, _NONCE_BYTES = 8, 8, 12
_HEAD_BYTES = _ID_BYTES + _SALT_BYTES


class MasterKey:
    """Wraps the keys of tenants."""

    def __init__(self, key: bytes, entropy: Entropy) -> None:
        """Take a key of 32 bytes."""
        self._cipher = AESGCM(key)
        self._entropy = entropy

    def make(self, tenant_id: str) -> ContentKey:
        """Make a key for a tenant, wrapped."""
        return self._wrap(tenant_id, self._entropy(_ID_BYTES), self._entropy(KEY_BYTES))

    def take_over(self, kept: ContentKey, before: "MasterKey") -> ContentKey:
        """Wrap anew what another master key wrapped; what is ours already stays as it is.

        Raises:
            SettingsInvalid: neither opens it.
        """
        if self._opened(kept) is not None:
            return kept
        return self._wrap(kept.tenant_id, kept.key_id, before.unwrap(kept))

    def unwrap(self, kept: ContentKey) -> bytes:
        """Give the key of a tenant.

        Raises:
            SettingsInvalid: another master key wrapped it.
        """
        opened = self._opened(kept)
        if opened is None:
            raise SettingsInvalid(
                f"the master key does not open the content key of tenant {kept.tenant_id!r};"
                " set the one before, or run `trimtab keys rewrap` with it"
            )
        return opened

    def _opened(self, kept: ContentKey) -> bytes | None:
        nonce, sealed = kept.wrapped[:_NONCE_BYTES], kept.wrapped[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, sealed, _bound(kept.tenant_id, kept.key_id))
        except (InvalidTag, ValueError):
            return None

    def _wrap(self, tenant_id: str, key_id: bytes, key: bytes) -> ContentKey:
        nonce = self._entropy(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, key, _bound(tenant_id, key_id))
        return ContentKey(tenant_id=tenant_id, key_id=key_id, wrapped=nonce + sealed)


class Sealer:
    """Seals content of one tenant. State: the salt, its cipher and for how many more they serve.

    Attributes:
        key_id: Names the tenant's key.
    """

    def __init__(self, key_id: bytes, key: bytes, entropy: Entropy) -> None:
        self.key_id = key_id
        self._key = key
        self._entropy = entropy
        self._left = 0

    def seal(self, ref: bytes, data: bytes) -> bytes:
        """Seal the bytes of a blob in their place."""
        if not self._left:
            salt = self._entropy(_SALT_BYTES)
            self._head, self._cipher = self.key_id + salt, _derived(self._key, salt)
            self._left = MOST_SEALED
        self._left -= 1
        nonce = self._entropy(_NONCE_BYTES)
        return self._head + nonce + self._cipher.encrypt(nonce, data, ref)


class Unsealer:
    """Opens content of one tenant. State: the ciphers of salts met before."""

    def __init__(self, key_id: bytes, key: bytes) -> None:
        self._key_id = key_id
        self._key = key
        self._ciphers: dict[bytes, AESGCM] = {}

    def __call__(self, ref: bytes, data: bytes) -> bytes:
        """Open a sealed blob.

        Raises:
            ValueError: its key was destroyed, or it is damaged, or not in its place.
        """
        key_id, salt = data[:_ID_BYTES], data[_ID_BYTES:_HEAD_BYTES]
        if key_id != self._key_id:
            raise ValueError("the key that it was sealed under was destroyed")
        cipher = self._ciphers.get(salt)
        if cipher is None:
            cipher = self._ciphers[salt] = _derived(self._key, salt)
        start = _HEAD_BYTES + _NONCE_BYTES
        try:
            return cipher.decrypt(data[_HEAD_BYTES:start], data[start:], ref)
        except (InvalidTag, ValueError) as exc:
            raise ValueError("a sealed blob is damaged, or was put in another's place") from exc


def _derived(key: bytes, salt: bytes) -> AESGCM:
    info = b"trimtab content"
    return AESGCM(HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=info).derive(key))


def _bound(tenant_id: str, key_id: bytes) -> bytes:
    return key_id + tenant_id.encode()

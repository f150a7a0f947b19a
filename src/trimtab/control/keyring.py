"""Keys: made, rotated and revoked. Their text exists in an answer only, never in the log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from msgspec.structs import asdict, replace

from trimtab.control.changes import Control
from trimtab.control.snapshot import State
from trimtab.domain.change import Change, Pointer, PointerKind, Source
from trimtab.domain.clock import END_OF_TIME_US, Clock
from trimtab.domain.errors import InvalidRequest, NotFound
from trimtab.domain.ids import Entropy
from trimtab.domain.keys import NewKey, new_key
from trimtab.domain.tenant import ANY_TENANT, NAME, Key, KeyTerms, Retiring

MOST_NAMED = 5
LONGEST_OVERLAP_S = 90 * 86_400.0


@dataclass(frozen=True, slots=True)
class Keyring:
    """Makes and takes away keys.

    Attributes:
        environment: Part of the text of new keys, 2 to 8 lower-case letters.
    """

    control: Control
    clock: Clock
    entropy: Entropy
    environment: str = "dev"

    async def create(self, terms: KeyTerms, *, reason: str, author: str, source: Source) -> NewKey:
        """Make a key; its text exists in the answer only.

        Raises:
            InvalidRequest: the terms contradict themselves, or the expiry is past.
            NotFound: there is no such tenant.
            SettingsInvalid: another tenant, a tier or a model is unknown.
        """
        check_terms(terms)
        if terms.tenant is not None:
            expect("tenant", terms.tenant, (await self.control.snapshot()).tenants)
        expires_us = terms.expires_us
        if expires_us is not None and not self.clock.now_us() < expires_us < END_OF_TIME_US:
            raise InvalidRequest(
                "the key would be expired already, or after the year 9999; choose another day"
            )
        made = new_key(self.environment, self.entropy)
        key = Key(id=made.id, sha256=made.sha256, **asdict(terms))
        await self._put(key, 0, reason=reason, author=author, source=source)
        return made

    async def rotate(
        self, wanted: str, *, overlap_s: float, reason: str, author: str, source: Source
    ) -> NewKey:
        """Give a key a new text; the one before stays good while the overlap lasts.

        Raises:
            NotFound: no such key.
            InvalidRequest: it is revoked, or an overlap already runs.
        """
        state = await self.control.state()
        key = find_key(state, wanted)
        now_us = self.clock.now_us()
        _check_rotation(key, overlap_s, now_us)
        made = new_key(self.environment, self.entropy, key_id=key.id)
        old = Retiring(key.sha256, now_us + round(overlap_s * 1e6)) if overlap_s else None
        rotated = replace(key, sha256=made.sha256, retiring=old)
        seq = state[pointer_of(key)].change.seq
        await self._put(rotated, seq, reason=reason, author=author, source=source)
        return made

    async def revoke(self, wanted: str, *, reason: str, author: str, source: Source) -> Change:
        """Revoke a key for good; a key already revoked gives the change that did it.

        Raises:
            NotFound: no such key.
        """
        state = await self.control.state()
        key = find_key(state, wanted)
        revoked = replace(key, revoked=True, retiring=None)
        seq = state[pointer_of(key)].change.seq
        return await self._put(revoked, seq, reason=reason, author=author, source=source)

    async def _put(
        self, key: Key, expected_seq: int, *, reason: str, author: str, source: Source
    ) -> Change:
        made = await self.control.move(
            pointer_of(key),
            key,
            reason=reason,
            author=author,
            source=source,
            expected_seq=expected_seq,
        )
        return made or (await self.control.state())[pointer_of(key)].change


def pointer_of(key: Key) -> Pointer:
    """Name the pointer of a key."""
    return Pointer(PointerKind.KEY, key.id)


def keys_of(state: State) -> Sequence[Key]:
    """List all keys, by name."""
    keys = [entry.value for entry in state.values() if isinstance(entry.value, Key)]
    return sorted(keys, key=lambda key: (key.name, key.id))


def find_key(state: State, wanted: str) -> Key:
    """Find a key by its id, else by the name that one living key has.

    Raises:
        NotFound: there is none, or there are several.
    """
    keys = keys_of(state)
    by_id = [key for key in keys if key.id == wanted]
    found = by_id or [key for key in keys if key.name == wanted and not key.revoked]
    if not found:
        raise NotFound(f"there is no key {wanted!r}; look at `trimtab keys list`")
    if len(found) > 1:
        ids = ", ".join(key.id for key in found)
        raise NotFound(f"{wanted!r} names more than one key; name one of {ids}")
    return found[0]


def expect(noun: str, name: str, known: Iterable[str]) -> None:
    """Insist that something is there.

    Raises:
        NotFound: it is not; what it may be a slip of.
    """
    names = sorted(known)
    if name not in names:
        close = get_close_matches(name, names, n=1)
        there = f"there is {', '.join(names[:MOST_NAMED])}" if names else "there is none"
        hint = f"did you mean {close[0]!r}?" if close else there
        raise NotFound(f"there is no {noun} {name!r}; {hint}")


def check_terms(terms: KeyTerms) -> None:
    """Check what a key is to be for, as far as it does not depend on what else there is.

    Raises:
        InvalidRequest: the name is none, or it is not clear who pays.
    """
    if NAME.fullmatch(terms.name) is None:
        raise InvalidRequest(
            f"{terms.name!r} is no name for a key; use a-z, 0-9, '.', '_' and '-'", param="name"
        )
    if (terms.tenant is None) is not bool(terms.act_for):
        raise InvalidRequest(
            "a key belongs to one `tenant`, or acts for those of `act_for`; name one of the two"
        )
    if terms.new_tenant_tier is not None and not terms.act_for:
        raise InvalidRequest("`new_tenant_tier` is for keys that act for tenants; add `act_for`")
    for tenant in terms.act_for:
        if tenant != ANY_TENANT and NAME.fullmatch(tenant) is None:
            raise InvalidRequest(
                f"{tenant!r} is no tenant to act for; name tenants, or '*' for any", param="act_for"
            )


def _check_rotation(key: Key, overlap_s: float, now_us: int) -> None:
    if key.revoked:
        raise InvalidRequest(f"key {key.id!r} was revoked; make another with `trimtab keys create`")
    if not 0 <= overlap_s <= LONGEST_OVERLAP_S:
        raise InvalidRequest("an overlap is at most 90 days; choose a shorter one", param="overlap")
    if overlap_s and key.retiring is not None and now_us < key.retiring.until_us:
        raise InvalidRequest(
            f"key {key.id!r} was rotated, and its overlap still runs; wait for its end, or rotate"
            " without an overlap, which ends both texts before at once"
        )

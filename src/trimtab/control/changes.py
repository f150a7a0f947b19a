"""Everything that may be done to the configuration. Each move is one entry of the change log."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import msgspec

from trimtab.control.desired import Desired, plan, refuse_broken
from trimtab.control.snapshot import Snapshot, State, build, fold
from trimtab.domain.change import Change, Draft, Pointer, PointerKind, Source, canonical
from trimtab.domain.clock import Clock
from trimtab.domain.errors import ChangeConflict, InvalidRequest, NotFound, SettingsInvalid
from trimtab.domain.ids import Entropy, KeyId, TenantId, ulid
from trimtab.domain.keys import NewKey, new_key
from trimtab.domain.tenant import NAME, Key, Suspension
from trimtab.store.base import ChangeLog
from trimtab.store.chain import follows

MAX_REASON_CHARS = 500
END_OF_TIME_US = 253_402_300_800_000_000
"""First instant of the year 10,000, which no calendar of ours can write."""

PAGE = 10_000
RACES = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk over the whole chain found.

    Attributes:
        seq: Newest entry that is whole.
        hash: Its hash; compare it with one kept elsewhere to see that the end was not cut off.
        fault: What is wrong with the entry after it; `None` if the log ends there.
    """

    seq: int
    hash: str
    fault: str | None


class Control:
    """The configuration and its moves.

    State: where every pointer stands and what a file last made of it, as far as the log was read.
    """

    def __init__(
        self, log: ChangeLog, clock: Clock, entropy: Entropy, *, environment: str = "dev"
    ) -> None:
        """Begin with nothing read.

        Args:
            log: The change log.
            clock: Stamps changes.
            entropy: Makes ids and keys.
            environment: Part of the text of new keys, 2 to 8 lower-case letters.
        """
        self._log = log
        self._clock = clock
        self._entropy = entropy
        self._environment = environment
        self._seq = 0
        self._state: State = {}
        self._moved: dict[Pointer, int] = {}
        self._filed: dict[Pointer, bytes | None] = {}

    async def state(self) -> State:
        """Tell where every pointer stands.

        Raises:
            SettingsInvalid: a newer program wrote what this one cannot read.
        """
        while fresh := await self._log.changes(after=self._seq, limit=PAGE):
            try:
                self._state = fold(self._state, fresh)
            except msgspec.DecodeError as exc:
                raise SettingsInvalid(
                    f"the change log holds a value this program cannot read ({exc}); upgrade it"
                ) from exc
            for change in fresh:
                self._moved[change.pointer] = change.seq
                if change.source is Source.FILE:
                    self._filed[change.pointer] = change.after
            self._seq = fresh[-1].seq
        return self._state

    async def snapshot(self) -> Snapshot:
        """Build the view that workers should run now."""
        state = await self.state()
        return build(self._seq, state)

    async def apply(self, drafts: Sequence[Draft]) -> tuple[Change, ...]:
        """Append drafts, all or none; those that change nothing are left out.

        Raises:
            SettingsInvalid: something in use would disappear, or a value is none of its kind.
            ChangeConflict: somebody else moved a pointer first.
        """
        if not drafts:
            return ()
        try:
            refuse_broken(await self.state(), drafts)
        except msgspec.DecodeError as exc:
            raise SettingsInvalid(f"a value is not of its pointer's kind: {exc}; fix it") from exc
        now_us = self._clock.now_us()
        change_ids = [f"c_{ulid(now_us // 1000, self._entropy)}" for _ in drafts]
        changes = await self._log.append(drafts, ts_us=now_us, change_ids=change_ids)
        await self.state()
        return changes

    async def apply_file(self, desired: Desired, *, author: str, reason: str) -> tuple[Change, ...]:
        """Make the log say what a file says. If others move pointers meanwhile, plan anew.

        Raises:
            SettingsInvalid: something in use would disappear; nothing was changed.
        """
        for _ in range(RACES):
            state = await self.state()
            drafts = plan(state, desired, filed=self._filed, author=author, reason=reason)
            try:
                return await self.apply(drafts)
            except ChangeConflict:
                continue
        raise ChangeConflict("others keep moving the same pointers; try again when they are done")

    # who, why and from where come with every change
    async def create_key(  # noqa: PLR0913
        self,
        tenant: TenantId,
        *,
        name: str,
        models: tuple[str, ...] | None,
        expires_us: int | None,
        reason: str,
        author: str,
        source: Source,
    ) -> NewKey:
        """Make a key; its text exists in the answer only.

        Raises:
            NotFound: no such tenant. InvalidRequest: the name is none, or the expiry is past.
            SettingsInvalid: a model is unknown.
        """
        _expect_tenant(await self.snapshot(), tenant)
        if NAME.fullmatch(name) is None:
            raise InvalidRequest(
                f"{name!r} is no name for a key; use a-z, 0-9, '.', '_' and '-'", param="name"
            )
        if expires_us is not None and not self._clock.now_us() < expires_us < END_OF_TIME_US:
            raise InvalidRequest(
                "the key would be expired already, or after the year 9999; choose another day"
            )
        made = new_key(self._environment, self._entropy)
        value = Key(
            id=made.id,
            name=name,
            tenant=tenant,
            sha256=made.sha256,
            models=models,
            expires_us=expires_us,
        )
        draft = Draft(
            pointer=Pointer(PointerKind.KEY, made.id),
            after=canonical(value),
            author=author,
            source=source,
            reason=_reason(reason),
            expected_seq=0,
        )
        await self.apply((draft,))
        return made

    async def revoke_key(self, key: KeyId, *, reason: str, author: str, source: Source) -> Change:
        """Revoke a key for good; a key already revoked gives the change that did it.

        Raises:
            NotFound: no such key.
        """
        pointer = Pointer(PointerKind.KEY, key)
        entry = (await self.state()).get(pointer)
        if entry is None:
            raise NotFound(f"there is no key {key!r}; look at `trimtab keys list`")
        draft = Draft(
            pointer=pointer,
            after=canonical(msgspec.structs.replace(entry.value, revoked=True)),
            author=author,
            source=source,
            reason=_reason(reason),
            expected_seq=entry.change.seq,
        )
        return next(iter(await self.apply((draft,))), entry.change)

    async def suspend_tenant(
        self,
        tenant: TenantId,
        *,
        reason: str,
        author: str,
        source: Source,
        until_us: int | None = None,
    ) -> Change:
        """Throw the kill switch of a tenant. With `until_us` it ends by itself.

        Raises:
            NotFound: no such tenant. InvalidRequest: it would be over already.
        """
        _expect_tenant(await self.snapshot(), tenant)
        if until_us is not None and not self._clock.now_us() < until_us < END_OF_TIME_US:
            raise InvalidRequest(
                "the suspension would be over already, or end after the year 9999; choose another"
                " end, in microseconds since 1970"
            )
        pointer = Pointer(PointerKind.SUSPENSION, tenant)
        draft = Draft(
            pointer=pointer,
            after=canonical(Suspension(reason=_reason(reason), until_us=until_us)),
            author=author,
            source=source,
            reason=_reason(reason),
        )
        made = await self.apply((draft,))
        return made[0] if made else (await self.state())[pointer].change

    async def resume_tenant(
        self,
        tenant: TenantId,
        *,
        reason: str,
        author: str,
        source: Source,
        expected_seq: int | None = None,
    ) -> Change:
        """Take a suspension back; with `expected_seq`, only that one.

        Raises:
            NotFound: no such tenant, or it is not suspended.
            ChangeConflict: it was suspended anew since.
        """
        _expect_tenant(await self.snapshot(), tenant)
        pointer = Pointer(PointerKind.SUSPENSION, tenant)
        draft = Draft(
            pointer=pointer,
            after=None,
            author=author,
            source=source,
            reason=_reason(reason),
            expected_seq=expected_seq,
        )
        made = await self.apply((draft,))
        if not made:
            raise NotFound(f"tenant {tenant!r} is not suspended; there is nothing to resume")
        return made[0]

    # who, why and from where come with every change
    async def move(
        self,
        pointer: Pointer,
        value: object,
        *,
        reason: str,
        author: str,
        source: Source,
        expected_seq: int | None = None,
    ) -> Change | None:
        """Move a pointer to a value; `None` if it stands there already.

        Raises:
            SettingsInvalid: something would be broken. InvalidRequest: the reason is missing.
            ChangeConflict: the pointer is not at `expected_seq` any more.
        """
        draft = Draft(
            pointer=pointer,
            after=canonical(value),
            author=author,
            source=source,
            reason=_reason(reason),
            expected_seq=expected_seq,
        )
        return next(iter(await self.apply((draft,))), None)

    async def undo(self, seq: int, *, reason: str, author: str, source: Source) -> Change:
        """Append the inverse of a change.

        Raises:
            NotFound: there is no such change.
            ChangeConflict: its pointer was moved since.
            SettingsInvalid: something in use would disappear.
        """
        await self.state()
        found = await self._log.changes(after=seq - 1, limit=1) if seq > 0 else ()
        if not found:
            raise NotFound(f"there is no change {seq}; look at `trimtab changes list`")
        done = found[0]
        last = self._moved[done.pointer]
        if last != seq:
            raise ChangeConflict(
                f"'{done.pointer}' was moved since, by change {last}; undo that one first"
            )
        if _gives_a_key_back(done):
            raise SettingsInvalid(
                f"key '{done.pointer.name}' was taken away and stays so; make another with"
                " `trimtab keys create`"
            )
        draft = Draft(
            pointer=done.pointer,
            after=done.before,
            author=author,
            source=source,
            reason=_reason(reason),
            expected_seq=0 if done.after is None else seq,
        )
        (change,) = await self.apply((draft,))
        return change

    async def history(
        self, *, pointer: Pointer | None = None, before: int | None = None, limit: int = 50
    ) -> tuple[Change, ...]:
        """List changes newest first; `before` leaves out that sequence number and all above."""
        end = await self._log.head() + 1
        end = end if before is None else min(end, before)
        found: list[Change] = []
        while end > 1 and len(found) < limit:
            size = limit if pointer is None else PAGE
            start = max(end - 1 - size, 0)
            page = await self._log.changes(after=start, limit=end - 1 - start)
            found += [change for change in reversed(page) if pointer in (None, change.pointer)]
            end = start + 1
        return tuple(found[:limit])

    async def verify(self) -> Verdict:
        """Walk the whole chain. O(n) in the length of the log."""
        head: Change | None = None
        while True:
            seq, chained = (0, "") if head is None else (head.seq, head.hash)
            try:
                page = await self._log.changes(after=seq, limit=PAGE)
            except SettingsInvalid as exc:
                return Verdict(seq, chained, str(exc))
            if not page:
                return Verdict(seq, chained, None)
            for change in page:
                if not follows(change, head):
                    fault = f"change {change.seq} is not what was written, or does not follow"
                    return Verdict(*((0, "") if head is None else (head.seq, head.hash)), fault)
                head = change


def _gives_a_key_back(done: Change) -> bool:
    """Whether undoing a change would open a door again that was closed on purpose."""
    if done.pointer.kind is not PointerKind.KEY or done.before is None:
        return False
    was = msgspec.json.decode(done.before, type=Key)
    now = None if done.after is None else msgspec.json.decode(done.after, type=Key)
    return not was.revoked and (now is None or now.revoked)


def _expect_tenant(snapshot: Snapshot, tenant: TenantId) -> None:
    if tenant not in snapshot.tenants:
        close = get_close_matches(tenant, snapshot.tenants, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "look at `trimtab tenants list`"
        raise NotFound(f"there is no tenant {tenant!r}; {hint}")


def _reason(text: str) -> str:
    """Insist on a reason: it is what the log is for."""
    reason = text.strip()
    if not reason:
        raise InvalidRequest("a reason is missing; say why in a few words", param="reason")
    if len(reason) > MAX_REASON_CHARS:
        raise InvalidRequest(
            f"the reason has more than {MAX_REASON_CHARS} characters; shorten it", param="reason"
        )
    return reason

"""Everything that may be done to the configuration. Each move is one entry of the change log."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from trimtab.control.desired import Desired, plan, preview, refuse_broken
from trimtab.control.difference import Difference, differences
from trimtab.control.in_use import refuse_cut_off
from trimtab.control.prompts import prompts_in, taken_back
from trimtab.control.snapshot import Snapshot, State, build, fold
from trimtab.domain.change import (
    Change,
    Draft,
    Pointer,
    PointerKind,
    Source,
    canonical,
    read_reason,
)
from trimtab.domain.clock import Clock
from trimtab.domain.errors import ChangeConflict, NotFound, SettingsInvalid, TryLater
from trimtab.domain.ids import Entropy, ulid
from trimtab.domain.tenant import Key
from trimtab.store.base.control import ChangeLog
from trimtab.store.base.sums import Use
from trimtab.store.chain import follows

PAGE = 10_000
RACES = 5
CONTENDERS = 200
EVERYTHING = frozenset(PointerKind)

_IN_MONEY = frozenset({PointerKind.LEDGER, PointerKind.BILL})


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

    State, as far as the log was read: where every pointer stands, what a file last made of it, and
    the hashes that each key has had.
    """

    def __init__(self, log: ChangeLog, clock: Clock, entropy: Entropy) -> None:
        """Begin with nothing read.

        Args:
            log: The change log.
            clock: Stamps changes.
            entropy: Makes ids.
        """
        self._log = log
        self._clock = clock
        self._entropy = entropy
        self._seq = 0
        self._state: State = {}
        self._moved: dict[Pointer, int] = {}
        self._filed: dict[Pointer, bytes | None] = {}
        self._texts: defaultdict[Pointer, set[str]] = defaultdict(set)

    async def state(self) -> State:
        """Tell where every pointer stands.

        Raises:
            SettingsInvalid: a newer program wrote what this one cannot read.
        """
        while fresh := await self._log.changes(after=self._seq, limit=PAGE):
            self._state = _folded(self._state, fresh)
            for change in fresh:
                self._moved[change.pointer] = change.seq
                if change.source is Source.FILE:
                    self._filed[change.pointer] = change.after
                if change.pointer.kind is PointerKind.KEY and change.after is not None:
                    key = msgspec.json.decode(change.after, type=Key)
                    self._texts[change.pointer].add(key.sha256)
            self._seq = fresh[-1].seq
        return self._state

    async def snapshot(self) -> Snapshot:
        """Build the view that workers should run now."""
        state = await self.state()
        return build(self._seq, state)

    async def state_at(self, seq: int) -> State:
        """Tell where every pointer stood after a change. O(n) in the length of the log until then.

        Raises:
            SettingsInvalid: a newer program wrote what this one cannot read.
        """
        if seq >= self._seq and seq >= await self._log.head():
            return await self.state()
        state: State = {}
        after = 0
        while after < seq:
            page = await self._log.changes(after=after, limit=min(PAGE, seq - after))
            if not page:
                break
            state = _folded(state, page)
            after = page[-1].seq
        return state

    async def decide(self, decide: Callable[[State], Sequence[Draft]]) -> tuple[Change, ...]:
        """Append what follows from all that is known; if others come in between, decide anew.

        Raises:
            SettingsInvalid: as `apply`, or as `decide` itself says.
            ChangeConflict: others keep coming in between.
        """
        for _ in range(CONTENDERS):
            state = await self.state()
            seq, drafts = self._seq, decide(state)
            try:
                return await self.apply(drafts, at=seq)
            except ChangeConflict:
                if await self._log.head() == seq:
                    raise
        raise ChangeConflict("others keep changing the configuration; try again in a moment")

    async def apply(self, drafts: Sequence[Draft], *, at: int | None = None) -> tuple[Change, ...]:
        """Append drafts, all or none; those that change nothing are left out.

        With `at` they are appended only if the log ends there.

        Raises:
            SettingsInvalid: something in use would disappear, or a value is none of its kind.
            VersionImmutable: what a pointer holds is final.
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
        changes = await self._log.append(drafts, ts_us=now_us, change_ids=change_ids, at=at)
        await self.state()
        return changes

    async def apply_file(
        self,
        desired: Desired,
        *,
        author: str,
        reason: str,
        only: AbstractSet[PointerKind] = EVERYTHING,
        used: Callable[[], Awaitable[Iterable[Use]]] | None = None,
    ) -> tuple[Change, ...]:
        """Make the log say what a file says. If others move pointers meanwhile, plan anew.

        Only pointers of the kinds of `only` are moved. What was called lately, as `used` tells, may
        not be cut off; without it anything may.

        Raises:
            SettingsInvalid: something in use would disappear; nothing was changed.
        """
        wanted = {it: value for it, value in desired.items() if it.kind in only}
        for _ in range(RACES):
            state = await self.state()
            drafts = plan(
                {it: entry for it, entry in state.items() if it.kind in only},
                wanted,
                filed=self._filed,
                texts=self._texts,
                author=author,
                reason=reason,
            )
            try:
                if drafts and used is not None:
                    refuse_broken(state, drafts)
                    after = build(self._seq, preview(state, drafts))
                    refuse_cut_off(build(self._seq, state), after, await _told(used))
                return await self.apply(drafts)
            except ChangeConflict:
                continue
        raise ChangeConflict("others keep moving the same pointers; try again when they are done")

    async def diff(self, desired: Desired) -> tuple[Difference, ...]:
        """Tell where a file and the live configuration differ."""
        state = await self.state()
        return tuple(differences(state, desired, filed=self._filed, texts=self._texts))

    # who, why and from where come with every change
    async def move(
        self,
        pointer: Pointer,
        value: object | None,
        *,
        reason: str,
        author: str,
        source: Source,
        expected_seq: int | None = None,
    ) -> Change | None:
        """Move a pointer to a value, or remove it; `None` if it stands so already.

        Raises:
            SettingsInvalid: something would be broken. InvalidRequest: the reason is missing.
            ChangeConflict: the pointer is not at `expected_seq` any more.
        """
        draft = Draft(
            pointer=pointer,
            after=None if value is None else canonical(value),
            author=author,
            source=source,
            reason=read_reason(reason),
            expected_seq=expected_seq,
        )
        return next(iter(await self.apply((draft,))), None)

    async def undo(self, seq: int, *, reason: str, author: str, source: Source) -> Change:
        """Append the inverse of a change.

        Raises:
            NotFound: there is no such change.
            ChangeConflict: its pointer was moved since.
            SettingsInvalid: something in use would disappear.
            LabelProtected: a protected label would go forwards.
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
        if done.pointer.kind in _IN_MONEY:
            raise SettingsInvalid(
                f"'{done.pointer}' stays what it is: money that was booked or billed is set right"
                " by adjustments, on the next bill"
            )
        if done.pointer.kind.is_final or done.pointer.kind is PointerKind.HOLD:
            raise SettingsInvalid(_stays(done.pointer))
        if _gives_a_key_back(done, self._clock.now_us()):
            raise SettingsInvalid(
                f"key '{done.pointer.name}' was taken away and stays so; make another with"
                " `trimtab keys create`"
            )
        draft = Draft(
            pointer=done.pointer,
            after=done.before,
            author=author,
            source=source,
            reason=read_reason(reason),
            expected_seq=0 if done.after is None else seq,
        )

        def decide(state: State) -> Sequence[Draft]:
            if done.pointer.kind is not PointerKind.LABEL:
                return (draft,)
            return (replace(draft, after=taken_back(prompts_in(state), done)),)

        (change,) = await self.decide(decide)
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

    async def after(self, seq: int) -> Change | None:
        """Find the first change behind a sequence number."""
        found = await self._log.changes(after=seq, limit=1)
        return found[0] if found else None

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


async def _told(used: Callable[[], Awaitable[Iterable[Use]]]) -> Iterable[Use] | None:
    """Ask what was called lately; `None` if that cannot be told, which stops no harmless load."""
    try:
        return await used()
    except TryLater:
        return None


def _folded(state: State, changes: Sequence[Change]) -> State:
    try:
        return fold(state, changes)
    except msgspec.DecodeError as exc:
        raise SettingsInvalid(
            f"the change log holds a value this program cannot read ({exc}); upgrade it"
        ) from exc


def _stays(pointer: Pointer) -> str:
    if pointer.kind in (PointerKind.ERASURE, PointerKind.RECEIPT):
        return f"'{pointer}' stays: what was erased does not come back"
    if pointer.kind is PointerKind.HOLD:
        return (
            f"'{pointer}' is more than its entry: keep records with `trimtab records keep`, and let"
            " go of them with `trimtab records release`"
        )
    remedy = (
        "run `trimtab reconcile` for its day, and accept what that proposes"
        if pointer.kind is PointerKind.ADJUSTMENT
        else "yank the version with `trimtab prompts yank`, or move the label with"
        " `trimtab prompts rollback`"
    )
    return f"'{pointer}' stays what it is, once it is there; {remedy}"


def _gives_a_key_back(done: Change, now_us: int) -> bool:
    """Whether undoing a change would open a door again that was closed on purpose."""
    if done.pointer.kind is not PointerKind.KEY or done.before is None:
        return False
    was = msgspec.json.decode(done.before, type=Key)
    now = None if done.after is None else msgspec.json.decode(done.after, type=Key)
    return not was.revoked and (now is None or not now.knows(was.sha256, now_us))

"""The keys that content is sealed under: made when a tenant appears, gone when it is erased."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping

from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.domain.ids import Entropy
from trimtab.store.base.control import ContentKey, ContentKeys
from trimtab.store.sealing import MasterKey, Sealer, Unsealer

LOOK_S = 1.0

log = logging.getLogger("trimtab")


class Sealing:
    """What seals the content of each tenant, in one process.

    State: the sealers, whose keys were read, and the mark of the keys then.
    """

    def __init__(
        self,
        store: ContentKeys,
        master: MasterKey,
        entropy: Entropy,
        tenants: Callable[[], Collection[str]],
    ) -> None:
        """Begin without keys.

        Args:
            store: Keeps them.
            master: Wraps them.
            entropy: Makes salts and nonces.
            tenants: Names those there are now; one that has no key is given one.
        """
        self._store = store
        self._master = master
        self._entropy = entropy
        self._tenants = tenants
        self._sealers: Mapping[str, Sealer] = {}
        self._known: frozenset[str] = frozenset()
        self._mark: tuple[int, int] | None = None
        self._moved = asyncio.Event()

    def of(self, tenant_id: str) -> Sealer | None:
        """Give what seals the content of a tenant, if its key is here."""
        return self._sealers.get(tenant_id)

    def wake(self) -> None:
        """Look at once: there may be new tenants."""
        self._moved.set()

    async def look(self) -> None:
        """Read the keys if there are others than before; of hosts that make one, the first wins.

        Raises:
            TryLater: the store is away.
        """
        mark = await self._store.content_keys_mark()
        if mark == self._mark and self._known.issuperset(self._tenants()):
            return
        kept = await self._store.content_keys()
        have = {it.tenant_id for it in kept}
        fresh = [self._master.make(it) for it in sorted(self._tenants()) if it not in have]
        if fresh:
            await self._store.add_content_keys(fresh)
            kept = await self._store.content_keys()
        sealers = {it.tenant_id: self._sealer(it) for it in kept}
        self._sealers = {tenant: it for tenant, it in sealers.items() if it is not None}
        self._known = frozenset(sealers)
        self._mark = mark

    async def run(self) -> None:
        """Look once a second, and when woken, for ever."""
        is_away = False
        while True:
            try:
                await self.look()
                is_away = False
            except TryLater as exc:
                if not is_away:
                    log.warning("keys of content cannot be read: %s", exc)
                is_away = True
            self._moved.clear()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._moved.wait()
            except TimeoutError:
                continue

    def _sealer(self, kept: ContentKey) -> Sealer | None:
        known = self._sealers.get(kept.tenant_id)
        if known is not None and known.key_id == kept.key_id:
            return known
        try:
            return Sealer(kept.key_id, self._master.unwrap(kept), self._entropy)
        except SettingsInvalid as exc:
            # The others are served; what this one writes is not kept, and its record says so.
            log.error("content is not kept: %s", exc)  # noqa: TRY400 -- no bug
            return None


async def unsealer(store: ContentKeys, master: MasterKey, tenant_id: str) -> Unsealer | None:
    """Give what opens the content of a tenant; `None` if its key was destroyed.

    Raises:
        SettingsInvalid: another master key wrapped it.
        TryLater: the store is away.
    """
    for kept in await store.content_keys(tenant_id):
        return Unsealer(kept.key_id, master.unwrap(kept))
    return None


async def expect_own(store: ContentKeys, master: MasterKey) -> None:
    """Insist that a master key opens every key there is. Raises as `unsealer`."""
    for kept in await store.content_keys():
        master.unwrap(kept)


async def rewrap(store: ContentKeys, master: MasterKey, before: MasterKey) -> int:
    """Wrap all keys anew, and tell how many were another's. Safe to repeat; content stays.

    Raises:
        SettingsInvalid: neither master key opens one of them; nothing was changed.
        TryLater: the store is away.
    """
    kept = await store.content_keys()
    anew = [master.take_over(it, before) for it in kept]
    moved = [it for it in anew if it not in kept]
    await store.rewrap_content_keys(moved)
    return len(moved)

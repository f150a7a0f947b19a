"""What seals and opens content; loaded by name, for it imports `cryptography`."""

import asyncio
import os
from collections.abc import Callable, Collection
from pathlib import Path

from trimtab.control import content_keys
from trimtab.control.content_keys import Sealing
from trimtab.settings import read_master_key, resolve
from trimtab.store.base.control import ContentKeys
from trimtab.store.content import Unseal
from trimtab.store.sealing import MasterKey
from trimtab.wiring.entropy import Entropy
from trimtab.wiring.membership import control_store


def sealing(home: Path, reference: str, tenants: Callable[[], Collection[str]]) -> Sealing:
    """Make what seals. Raises `SettingsInvalid`: the reference leads to no master key."""
    return Sealing(control_store(home), _master(reference), Entropy(), tenants)


async def unseal(store: ContentKeys, reference: str, tenant_id: str) -> Unseal | None:
    """Give what opens the content of a tenant; see `content_keys.unsealer`."""
    return await content_keys.unsealer(store, _master(reference), tenant_id)


def expect_own(home: Path, reference: str) -> None:
    """Insist that a master key opens every key there is; see `content_keys.expect_own`."""
    asyncio.run(content_keys.expect_own(control_store(home), _master(reference)))


def rewrap(home: Path, reference: str, before: str) -> int:
    """Wrap all keys anew; see `content_keys.rewrap`."""
    keys = content_keys.rewrap(control_store(home), _master(reference), _master(before))
    return asyncio.run(keys)


def _master(reference: str) -> MasterKey:
    return MasterKey(read_master_key(resolve(reference, os.environ).reveal()), Entropy())

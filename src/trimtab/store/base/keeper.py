"""All that a keeper writes to, as one store."""

from typing import Protocol

from trimtab.store.base.ending import Eraser, HoldStore, RetentionStore
from trimtab.store.base.ledger import LedgerWriter
from trimtab.store.base.reading import SavedFilterWriter, SearchIndex
from trimtab.store.base.recording import RecordWriter


class KeeperStore(
    RecordWriter,
    LedgerWriter,
    SearchIndex,
    SavedFilterWriter,
    Eraser,
    HoldStore,
    RetentionStore,
    Protocol,
):
    """What a keeper writes into."""

    async def leads(self) -> bool:
        """Whether this keeper does what one of all keepers of the store does, for them all.

        Raises:
            TryLater: the store is away.
        """
        ...

    def close(self) -> None:
        """Let go of what is open; the next call opens it again."""
        ...


class SharedKeeperStore(KeeperStore, Protocol):
    """A record store of several hosts."""

    async def is_of(self, proof: str) -> bool:
        """Tell whether a host is of the site that the records are of; the first host decides."""
        ...

    async def keeps_as_others(self) -> bool:
        """Tell whether other hosts keep single requests where this one does; the first decides."""
        ...

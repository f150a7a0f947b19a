"""Opens what orders erasures. Apart from what carries them out, for commands start fast."""

import os
from pathlib import Path

from trimtab import wiring
from trimtab.control.erasures import Erasures
from trimtab.store.base.keeper import KeeperStore
from trimtab.wiring.membership import control_store


def erasures(home: Path, store: KeeperStore | None = None) -> Erasures:
    """Open what orders the erasures of a state directory, and keeps records for cases."""
    opened = wiring.ledger(home) if store is None else store
    clock = wiring.SystemClock()
    return Erasures(
        wiring.control(home),
        wiring.records(home),
        opened,
        clock,
        os.urandom,
        control_store(home),
    )

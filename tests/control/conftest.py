"""A control store in memory that can go away, and a small company to put into it."""

from collections.abc import Sequence
from typing import Any

import pytest

from trimtab.control.changes import Control
from trimtab.control.desired import Desired
from trimtab.control.keyring import Keyring
from trimtab.control.switches import Switches
from trimtab.domain.change import Change, Draft, Pointer, PointerKind, Source
from trimtab.domain.errors import SchemaTooNew, TryLater
from trimtab.domain.ids import TenantId
from trimtab.domain.model import Model, ModelKind, Provider, ProviderWire, Target
from trimtab.domain.suspension import Scope, ScopeKind, Suspension
from trimtab.domain.tenant import Limits, Tenant, Tier
from trimtab.store.memory.control import MemoryChangeLog
from trimtab.testing import FrozenClock, seeded_entropy

ACME, HOBBY = TenantId("acme"), TenantId("hobby")
BY: Any = {"author": "ana", "reason": "trimtab.yaml"}
WHO: Any = {"author": "ana", "source": Source.CLI}
WHY: Any = {**WHO, "reason": "because"}
HOUR_US = 3_600_000_000
OF_ACME = Scope(ScopeKind.TENANT, ACME)
LOOP = Suspension(reason="because")


class FragileLog(MemoryChangeLog):
    """A change log whose store can be away, or of a newer program."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.newer = False

    def forget(self) -> None:
        """Be another log, as after a restore from an old backup."""
        self._changes.clear()

    def _check(self) -> None:
        if self.away:
            raise TryLater("the control store is away; bring it back")
        if self.newer:
            raise SchemaTooNew("the control store is of a newer program; upgrade trimtab")

    async def append(
        self,
        drafts: Sequence[Draft],
        *,
        ts_us: int,
        change_ids: Sequence[str],
        at: int | None = None,
    ) -> tuple[Change, ...]:
        self._check()
        return await super().append(drafts, ts_us=ts_us, change_ids=change_ids, at=at)

    async def changes(self, *, after: int, limit: int = 10_000) -> tuple[Change, ...]:
        self._check()
        return await super().changes(after=after, limit=limit)

    async def head(self) -> int:
        self._check()
        return await super().head()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def log() -> FragileLog:
    return FragileLog()


@pytest.fixture
def control(log: FragileLog, clock: FrozenClock) -> Control:
    return Control(log, clock, seeded_entropy())


@pytest.fixture
def switches(control: Control, clock: FrozenClock) -> Switches:
    return Switches(control, clock)


@pytest.fixture
def keyring(control: Control, clock: FrozenClock) -> Keyring:
    return Keyring(control, clock, seeded_entropy(5))


@pytest.fixture
async def filled(control: Control, company: Desired) -> Control:
    await control.apply_file(company, **BY)
    return control


@pytest.fixture
def company() -> Desired:
    return small_company()


def small_company() -> Desired:
    return {
        pointer("provider/sim"): Provider(
            name="sim", wire=ProviderWire.CALLER, url="http://127.0.0.1:9000"
        ),
        pointer("model/chat"): Model(name="chat", kind=ModelKind.ALIAS, to=Target("sim", "large")),
        pointer("tier/free"): Tier(
            name="free", models=("chat", "sim/*"), limits=Limits(parallel=4)
        ),
        pointer("tenant/acme"): Tenant(id=ACME, tier="free"),
        pointer("tenant/hobby"): Tenant(id=HOBBY, tier="free"),
    }


async def suspend(control: Control, scope: Scope = OF_ACME) -> Change:
    return await Switches(control, FrozenClock()).suspend(scope, LOOP, **WHO)


def pointer(text: str) -> Pointer:
    kind, _, name = text.partition("/")
    return Pointer(PointerKind(kind), name)


def without(desired: Desired, *names: str) -> Desired:
    gone = {pointer(name) for name in names}
    return {where: value for where, value in desired.items() if where not in gone}


def having(desired: Desired, name: str, value: object) -> Desired:
    return {**desired, pointer(name): value}

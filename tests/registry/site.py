"""A registry over a change log in memory, with two tenants of two tiers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from tests.prompts import SEED

from trimtab.control.changes import Control
from trimtab.control.models import By
from trimtab.control.prompts import POLICY, Prompts
from trimtab.domain.change import Change, Pointer, PointerKind, Source
from trimtab.domain.ids import TenantId
from trimtab.domain.prompt import Evidence, Place, RegistryPolicy
from trimtab.domain.tenant import Tenant, Tier
from trimtab.registry.format import read_file
from trimtab.registry.labels import Labels
from trimtab.registry.publish import Registry
from trimtab.store.memory.control import MemoryChangeLog
from trimtab.testing import FrozenClock, seeded_entropy

ANA = By("ana", Source.CLI, "because")
BEN = By("ben", Source.CLI, "read it")
OPS = By("ops", Source.CONSOLE, "answers are wrong")
PLACE = Place("rag-answer", "staging")
LIVE = Place("rag-answer")
DAY_S = 86_400.0


@dataclass
class Site:
    """A registry, and everything around it that a test may look at."""

    log: MemoryChangeLog = field(default_factory=MemoryChangeLog)
    clock: FrozenClock = field(default_factory=FrozenClock)

    def __post_init__(self) -> None:
        self.control = Control(self.log, self.clock, seeded_entropy())
        self.labels = Labels(self.control, self.clock)
        self.registry = Registry(self.control, self.labels, self.clock, lambda _: False)

    async def publish(self, *texts: str, by: By = ANA) -> tuple[Change, ...]:
        """Publish files by their texts."""
        files = [read_file(text, f"{number}.prompt.yaml") for number, text in enumerate(texts)]
        return (await self.registry.publish(files, by))[1]

    async def policy(self, policy: RegistryPolicy) -> None:
        """Have the site ask something of prompts."""
        await self.put(PointerKind.REGISTRY, POLICY, policy)

    async def put(self, kind: PointerKind, name: str, value: object) -> None:
        """Move any pointer."""
        await self.control.move(
            Pointer(kind, name), value, reason="set up", author="ana", source=Source.FILE
        )

    async def prompts(self) -> Prompts:
        """Give what is published now."""
        return await self.registry.prompts()

    async def at(self, place: Place) -> str | None:
        """Tell where a label points."""
        pointed = (await self.prompts()).at(place)
        return None if pointed is None else pointed.label.version

    async def pass_eval(self, version: str, datasets: Sequence[str] = ()) -> None:
        """Attach a passed evaluation to a version of the seed's prompt."""
        found = (await self.prompts()).find("rag-answer", version)
        assert found is not None
        evidence = Evidence(
            hash=found.hash, passed=True, ts_us=self.clock.now_us(), datasets=tuple(datasets)
        )
        await self.registry.add_evidence(evidence, ANA)


def seed(version: str, text: str = "Cite") -> str:
    """Write the seed's prompt under another number, and with another text."""
    return SEED.replace("version: 3.2.0", f"version: {version}").replace("Cite", text)


@pytest.fixture
async def site() -> Site:
    made = Site()
    for name in ("free", "paid"):
        await made.put(PointerKind.TIER, name, Tier(name=name))
    for name, tier in (("acme", "paid"), ("bolt", "free")):
        await made.put(PointerKind.TENANT, name, Tenant(id=TenantId(name), tier=tier))
    return made


@pytest.fixture
async def three(site: Site) -> Site:
    """A site with three versions of the seed's prompt."""
    await site.publish(seed("3.2.0"))
    await site.publish(seed("3.3.0", "Never cite"))
    await site.publish(seed("3.4.0", "Always cite"))
    return site

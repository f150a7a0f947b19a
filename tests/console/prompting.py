"""A prompt behind the console: two versions, two scopes, and requests that were made of it."""

from collections.abc import Sequence

from msgspec.structs import replace
from tests.console.conftest import Site, example
from tests.prompts import CHAT
from tests.registry.site import seed

from trimtab.control.models import By
from trimtab.domain.change import Change, PointerKind, Source
from trimtab.domain.prompt import Evidence, Label, Place
from trimtab.registry.format import read_file
from trimtab.registry.labels import Labels
from trimtab.registry.publish import Registry

OLD, NEW = "3.2.0", "3.3.0"
HERE = "/console/prompts/rag-answer"
API = "/admin/v1/prompts/rag-answer"
LABEL = f"{API}/labels/production/default"
LIVE = Place("rag-answer")
ANA = By("ana", Source.CLI, "from the repository")
NEXT = seed("3.4.0", "Never cite")
"""A version that may be published."""


def registry_of(site: Site) -> Registry:
    """Open the registry that the console has, too."""
    return Registry(site.control, Labels(site.control, site.clock), site.clock, lambda _: False)


async def publish(site: Site, *texts: str, by: By = ANA, admin: bool = False) -> Sequence[Change]:
    """Publish files by their texts."""
    files = [read_file(text, f"{number}.prompt.yaml") for number, text in enumerate(texts)]
    return (await registry_of(site).publish(files, by, may_jinja=admin))[1]


async def fill_prompts(site: Site) -> None:
    """Publish two versions and a chat prompt; production moved once, and acme has its own."""
    await publish(site, seed(OLD), seed(NEW, "Always cite"), CHAT)
    point(site, OLD, reason="first release")
    point(site, OLD, scope="tenant:acme", reason="acme waits")
    point(site, NEW, reason="shorter answers")
    made = example(site.clock.now_us() - 60_000_000)
    for number, (version, tenant, status) in enumerate(
        ((OLD, "acme", "ok"), (NEW, "globex", "ok"), (NEW, "globex", "error"))
    ):
        record = replace(
            made.record,
            request_id=f"r_01KQ2Z6PR{number:017d}",
            prompt_name="rag-answer",
            prompt_version=version,
            tenant_id=tenant,
            status=status,
        )
        site.stores.records.append(replace(made, record=record, attempts=()))


def point(site: Site, version: str, *, scope: str = "default", reason: str) -> Change:
    """Point production at a version, whatever it asks for."""
    place = Place("rag-answer", scope=scope)
    site.control.write(PointerKind.LABEL, str(place), Label(version=version), reason=reason)
    return site.control.changes[-1]


async def at(site: Site, place: Place = LIVE) -> Label | None:
    """Tell where a label points."""
    pointed = (await registry_of(site).prompts()).at(place)
    return None if pointed is None else pointed.label


async def vouch(site: Site, version: str) -> None:
    """Have an evaluation pass and a second person read a version."""
    registry = registry_of(site)
    found = (await registry.prompts()).find("rag-answer", version)
    assert found is not None
    now_us = site.clock.now_us()
    await registry.add_evidence(Evidence(hash=found.hash, passed=True, ts_us=now_us), ANA)
    await registry.approve("rag-answer", version, By("ben", Source.CONSOLE, "read it"))

import json
from typing import Any

from tests.prompts import SEED
from tests.registry.site import LIVE, OPS, PLACE, Site, seed

from trimtab.domain.change import Change, PointerKind
from trimtab.domain.prompt import Place, RegistryPolicy
from trimtab.registry.events import event_of

MEMBERS = {
    "name", "version", "label", "scope", "from", "to", "hash", "author", "source", "reason",
    "change", "seq", "override",
}  # fmt: skip


async def told(site: Site, change: Change) -> dict[str, Any]:
    """Tell of a change as it is sent, and check what is the same in every event."""
    event = event_of(change, await site.prompts())
    assert event is not None
    body: dict[str, Any] = json.loads(event.body())
    data = body["data"]
    assert body.keys() == {"type", "timestamp", "data"}
    assert data.keys() == MEMBERS
    assert (data["change"], data["seq"]) == (event.id, change.seq) == (change.change_id, change.seq)
    assert (data["author"], data["source"], data["reason"]) == (
        change.author,
        change.source.value,
        change.reason,
    )
    return body


async def hash_of(site: Site, version: str) -> str:
    found = (await site.prompts()).find("rag-answer", version)
    assert found is not None
    return found.hash


async def test_a_version_that_is_published_is_told_by_its_hash(site: Site) -> None:
    (change,) = await site.publish(SEED)

    event = await told(site, change)

    assert event["type"] == "prompt.published"
    assert event["timestamp"] == "2026-01-01T00:00:00.000000Z"
    assert event["data"] | {"change": "", "seq": 0} == {
        "name": "rag-answer",
        "version": "3.2.0",
        "label": None,
        "scope": None,
        "from": None,
        "to": None,
        "hash": await hash_of(site, "3.2.0"),
        "author": "ana",
        "source": "cli",
        "reason": "because",
        "change": "",
        "seq": 0,
        "override": False,
    }


async def test_no_text_of_a_prompt_is_ever_told(site: Site) -> None:
    await site.publish(seed("3.2.0", "Mention xylophones"))
    await site.labels.promote(PLACE, "3.2.0", OPS)

    prompts = await site.prompts()
    log = await site.log.changes(after=0)

    assert any(b"xylophones" in (it.after or b"") for it in log)
    bodies = [it.body() for change in log if (it := event_of(change, prompts))]
    assert len(bodies) == 2
    assert not any(b"xylophones" in it or b"description" in it for it in bodies)


async def test_a_label_is_told_with_where_it_was_and_where_it_is(three: Site) -> None:
    first = await told(three, await three.labels.promote(PLACE, "3.2.0", OPS))
    second = await told(three, await three.labels.promote(PLACE, "3.3.0", OPS))
    back = await told(three, await three.labels.rollback(PLACE, OPS))

    assert [it["type"] for it in (first, second, back)] == ["prompt.label_moved"] * 3
    assert [(it["data"]["from"], it["data"]["to"]) for it in (first, second, back)] == [
        (None, "3.2.0"),
        ("3.2.0", "3.3.0"),
        ("3.3.0", "3.2.0"),
    ]
    data = second["data"]
    assert (data["name"], data["label"], data["scope"]) == ("rag-answer", "staging", "default")
    assert (data["version"], data["hash"]) == ("3.3.0", await hash_of(three, "3.3.0"))
    assert (data["author"], data["source"]) == ("ops", "console")


async def test_a_label_that_points_nowhere_any_more_is_about_no_version(three: Site) -> None:
    place = Place("rag-answer", "staging", "tenant:acme")
    await three.labels.promote(place, "3.3.0", OPS)

    event = await told(three, await three.labels.unset(place, OPS))

    data = event["data"]
    assert event["type"] == "prompt.label_moved"
    assert data["scope"] == "tenant:acme"
    assert (data["from"], data["to"], data["version"], data["hash"]) == ("3.3.0", None, None, None)


async def test_an_override_is_told_as_one_and_the_move_away_from_it_is_none(three: Site) -> None:
    over = await told(three, await three.labels.promote(LIVE, "3.3.0", OPS, override=True))
    after = await told(three, await three.labels.unset(LIVE, OPS))

    assert (over["type"], over["data"]["override"]) == ("prompt.override", True)
    assert (over["data"]["label"], over["data"]["to"]) == ("production", "3.3.0")
    assert (after["type"], after["data"]["override"]) == ("prompt.label_moved", False)


async def test_a_yank_and_its_end_are_told(three: Site) -> None:
    (yanked,) = await three.registry.yank("rag-answer", "3.3.0", OPS)
    blocked = (await three.registry.yank("rag-answer", "3.3.0", OPS, block=True))[-1]
    back = await three.registry.unyank("rag-answer", "3.3.0", OPS)

    events = [await told(three, it) for it in (yanked, blocked, back)]

    assert [it["type"] for it in events] == ["prompt.yanked", "prompt.yanked", "prompt.unyanked"]
    for event in events:
        assert event["data"]["version"] == "3.3.0"
        assert event["data"]["hash"] == await hash_of(three, "3.3.0")


async def test_nothing_else_is_told(three: Site) -> None:
    await three.policy(RegistryPolicy(require_schemas=True))
    await three.pass_eval("3.3.0")
    await three.registry.approve("rag-answer", "3.3.0", OPS)
    prompts = await three.prompts()

    silent = {
        change.pointer.kind
        for change in await three.log.changes(after=0)
        if event_of(change, prompts) is None
    }

    assert silent == {
        PointerKind.TIER,
        PointerKind.TENANT,
        PointerKind.REGISTRY,
        PointerKind.EVIDENCE,
        PointerKind.APPROVAL,
    }

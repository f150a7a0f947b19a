import asyncio

from tests.prompts import SEED, registry, version

from trimtab.control.prompts import Prompts
from trimtab.control.snapshot import Snapshot
from trimtab.domain.prompt import Yank
from trimtab.registry.feed import MOST_KEPT, Feed, Happened, What

PLACE = "rag-answer/production/default"
OLD, NEW = version(), version(SEED.replace("Cite", "Never cite"), version="3.3.0")


def feed_of(*views: Prompts) -> Feed:
    feed = Feed()
    for seq, prompts in enumerate(views, 5):
        feed.on_change(Snapshot(config_seq=seq, prompts=prompts))
    return feed


def test_tells_what_was_published_moved_and_yanked() -> None:
    feed = feed_of(
        registry(OLD, labels={PLACE: "3.2.0"}),
        registry(OLD, NEW, labels={PLACE: "3.2.0"}),
        registry(OLD, NEW, labels={PLACE: "3.3.0"}),
        registry(OLD, NEW, yanked={"rag-answer@3.3.0": Yank(reason="worse")}),
    )

    events = feed.after(5)

    assert events is not None
    assert [(it.seq, it.what, it.version) for it in events] == [
        (6, What.PUBLISHED, "3.3.0"),
        (7, What.MOVED, "3.3.0"),
        (8, What.YANKED, "3.3.0"),
        (8, What.MOVED, None),
    ]
    assert feed.after(7) == [
        Happened(seq=8, what=What.YANKED, name="rag-answer", version="3.3.0"),
        Happened(seq=8, what=What.MOVED, name="rag-answer", label="production", scope="default"),
    ]


def test_what_moved_before_it_began_is_not_known() -> None:
    feed = feed_of(registry(OLD))

    assert feed.after(5) == []
    assert feed.after(4) is None


def test_a_number_from_a_restored_store_is_not_known_either() -> None:
    assert feed_of(registry(OLD)).after(99) is None


def test_forgets_the_oldest_and_says_so() -> None:
    views = [
        registry(OLD, labels={PLACE: "3.2.0"} if it % 2 else {}) for it in range(MOST_KEPT + 9)
    ]

    feed = feed_of(*views)

    assert feed.after(5) is None
    last = feed.after(feed.seq - 1)
    assert last is not None
    assert len(last) == 1


async def test_wakes_who_waits() -> None:
    feed = feed_of(registry(OLD))
    waiting = asyncio.create_task(feed.next.wait())
    await asyncio.sleep(0)

    feed.on_change(Snapshot(config_seq=6, prompts=registry(OLD)))

    await asyncio.wait_for(waiting, 1)

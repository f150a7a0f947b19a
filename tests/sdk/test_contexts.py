import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from tests.sdk.receiver import Receiver

import trimtab.sdk as tt
from trimtab.domain.errors import InvalidRequest
from trimtab.domain.retrieval import decode
from trimtab.sdk.contexts import call_headers


def ask() -> dict[str, str]:
    """Give what a call says of itself, but for its trace."""
    said = call_headers(is_retry=False)
    return {name: value for name, value in said.items() if name != "traceparent"}


def search(*names: str, index: str = "docs-index") -> None:
    with tt.retrieval(index) as found:
        found.documents((name, 0.5, None, None) for name in names)


def found_in(headers: dict[str, str]) -> list[str]:
    text = headers.get("x-trimtab-documents")
    return [] if text is None else [it.id for it in decode(text).documents]


@pytest.fixture(autouse=True)
def instrumented(told: Receiver) -> None:
    """Have spans, as an app does."""


def test_a_call_says_what_its_context_does_and_inner_ones_add_to_it() -> None:
    assert ask() == {}
    with tt.context(conversation="s-91", user="u-17", feature="search", tags={"team": "a b"}):
        with tt.context(feature="ads", tags={"build": "42"}):
            inner = ask()
        outer = ask()

    assert inner == {
        "x-trimtab-conversation": "s-91",
        "x-trimtab-user": "u-17",
        "x-trimtab-feature": "ads",
        "x-trimtab-tags": "team=a+b&build=42",
    }
    assert outer["x-trimtab-feature"] == "search"
    assert outer["x-trimtab-tags"] == "team=a+b"
    assert ask() == {}


@pytest.mark.parametrize("user", ["Jürgen", "a\r\nx-evil: 1", "x" * 1_000, "50%", "\ud800"])
def test_what_a_header_cannot_carry_is_written_so_that_it_can(user: str) -> None:
    with tt.context(user=user):
        said = ask()["x-trimtab-user"]

    assert said.isascii()
    assert said.isprintable()
    assert len(said) <= 256


def test_what_is_empty_is_not_said() -> None:
    with tt.context(user=" ", conversation=""):
        assert ask() == {}


@pytest.mark.parametrize(
    ("feature", "tags"),
    [("Search it", {}), (None, {"a": "x" * 65}), (None, {str(n): "" for n in range(17)})],
)
def test_what_a_gateway_would_refuse_is_refused_at_once(
    feature: str | None, tags: dict[str, str]
) -> None:
    with pytest.raises(InvalidRequest), tt.context(feature=feature, tags=tags):
        pass


def test_what_is_found_goes_with_the_next_call_only() -> None:
    with tt.context(feature="search"):
        assert found_in(ask()) == []
        search("doc-12", "doc-7")
        assert found_in(ask()) == ["doc-12", "doc-7"]
        assert "x-trimtab-documents" not in ask()


def test_a_call_that_is_tried_again_says_the_same() -> None:
    with tt.context(feature="search"):
        search("doc-12")
        first = call_headers(is_retry=False)
        assert call_headers(is_retry=True) == first
        assert found_in(call_headers(is_retry=False)) == []
        assert found_in(call_headers(is_retry=True)) == []


def test_two_searches_go_with_one_call() -> None:
    with tt.context(feature="search"):
        search("a", index="one")
        search("b", index="two")
        both = decode(ask()["x-trimtab-documents"])

    assert [it.id for it in both.documents] == ["a", "b"]
    assert both.index is None
    assert (both.retrieval_us or 0) >= 0


def test_what_another_context_found_is_not_told() -> None:
    with tt.context(feature="search"):
        search("left-behind")
    with tt.context(feature="ads"):
        assert found_in(ask()) == []
        search("inner")
    assert found_in(ask()) == []


def test_what_another_trace_of_this_thread_left_behind_is_not_told() -> None:
    search("left-behind")
    with tt.tool("other"):
        assert found_in(ask()) == []


def test_a_search_that_fails_tells_nothing() -> None:
    with tt.context(feature="search"):
        with pytest.raises(ZeroDivisionError), tt.retrieval("docs-index"):
            _ = 1 / 0
        assert found_in(ask()) == []


async def test_tasks_have_contexts_of_their_own() -> None:
    async def answer(n: int) -> tuple[dict[str, str], dict[str, str]]:
        with tt.context(conversation=f"s-{n}"):
            await asyncio.sleep(0)
            search(f"doc-{n}")
            await asyncio.sleep(0.001 * (n % 3))
            return ask(), ask()

    answered = await asyncio.gather(*(answer(n) for n in range(50)))

    for n, (first, second) in enumerate(answered):
        assert first["x-trimtab-conversation"] == f"s-{n}"
        assert found_in(first) == [f"doc-{n}"]
        assert found_in(second) == []
    assert ask() == {}


async def test_of_tasks_that_share_what_was_found_one_tells_it() -> None:
    async def answer() -> list[str]:
        await asyncio.sleep(0)
        return found_in(ask())

    with tt.context(feature="search"):
        search("doc-12")
        told = await asyncio.gather(*(answer() for _ in range(5)))

    assert sorted(told) == [[], [], [], [], ["doc-12"]]


def test_threads_have_contexts_of_their_own() -> None:
    def answer(n: int) -> dict[str, str]:
        with tt.context(user=f"u-{n}"):
            search(f"doc-{n}")
            return ask()

    with ThreadPoolExecutor(8) as pool:
        for n, said in enumerate(pool.map(answer, range(100))):
            assert said["x-trimtab-user"] == f"u-{n}"
            assert found_in(said) == [f"doc-{n}"]


def test_a_context_may_be_left_in_another_thread() -> None:
    entered = tt.context(user="u-17")
    copy_context().run(entered.__enter__)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(entered.__exit__, None, None, None).result()

import pytest

from trimtab.domain.yaml_tree import Faults, read_tree
from trimtab.settings.sampling import read_sampling
from trimtab.telemetry.sampling import Mode, Policy


def read(text: str) -> tuple[Policy, list[str]]:
    faults = Faults("trimtab.yaml")
    top = read_tree(f"sampling: {text}", faults)
    assert top is not None
    policy = read_sampling(top.members["sampling"], faults)
    return policy, faults.text().splitlines()


def test_reads_what_is_kept() -> None:
    policy, faults = read(
        "{rest: 0.05, tiers: {free: 0.01}, slow_ms: 5_000,"
        " slow_ms_by_route: {/v1/embeddings: 500}, keep: ['tenant:acme', 'model:chat'],"
        " mode: collector, rehydrate_below: 0.3}"
    )

    assert faults == []
    assert policy == Policy(
        rest=0.05,
        tiers={"free": 0.01},
        slow_ms=5000,
        slow_ms_by_route={"/v1/embeddings": 500},
        keep=("tenant:acme", "model:chat"),
        mode=Mode.COLLECTOR,
        below=0.3,
    )


def test_without_a_word_everything_is_kept() -> None:
    assert read("{}")[0] == Policy(rest=1.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{rest: 0}", "0 is no share of traces; write 0.0001 to 1"),
        ("{rest: 1.5}", "1.5 is no share of traces"),
        ("{rest: .inf}", "is no number"),
        ("{rest: true}", "'true' is no number"),
        ("{rest: '0.05'}", "'0.05' is no number"),
        ("{tiers: {free: 0.00001}}", "1e-05 is no share"),
        ("{keep: [acme]}", "'acme' cannot be watched; write tenant:NAME"),
        ("{mode: head}", "'head' is not taken; write keeper | collector"),
        ("{slow_ms: 0}", "is no whole number of at least 1"),
        ("{slow_ms_by_route: {/v1/embedding: 5}}", "is no route; write one of /v1/chat/"),
        ("{slow_ms_by_route: {embeddings: 5}}", "is no name"),
        ("{slow_ms_by_route: {/v1/embeddings: fast}}", "is no whole number"),
    ],
)
def test_says_what_is_wrong(text: str, told: str) -> None:
    (fault,) = read(text)[1]

    assert told in fault

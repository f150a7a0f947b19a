"""What the reconciler holds a bill against: the prices that workers price by, list and all."""

from msgspec import to_builtins
from tests.cost.test_applied import OTHER, SHIPPED

from trimtab.control.snapshot import Snapshot
from trimtab.cost.applied import differing
from trimtab.cost.prices import PriceList
from trimtab.cost.reconcile.statement import TokenClass
from trimtab.domain.model import Provider, ProviderWire
from trimtab.wiring.pricing import Priced, price_lists
from trimtab.wiring.reconcile import listed

PROVIDER = Provider(name="p", wire=ProviderWire.OPENAI, url="https://p.example")
SNAPSHOT = Snapshot(config_seq=1, providers={"p": PROVIDER})


def test_it_follows_the_list_that_was_applied() -> None:
    applied = to_builtins(differing(SHIPPED, OTHER))
    in_force = [PriceList(SHIPPED)]
    find = listed(lambda: SNAPSHOT, lambda: in_force[0])

    before, unknown = find("p", "a", 0), find("p", "d", 0)
    in_force[0] = price_lists(SHIPPED, Priced(applied=applied)).prices

    assert before[TokenClass.INPUT] > 0
    assert not unknown
    assert find("p", "d", 0)[TokenClass.INPUT] == 5 * before[TokenClass.INPUT]
    assert not find("q", "d", 0)

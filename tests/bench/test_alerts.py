"""How often the alert rules cry wolf, and how often they see a runaway; printed for the record."""

import pytest
from tests.cost.simulation import KINDS, raised, saturdays

pytestmark = pytest.mark.bench
TENANTS = 400


@pytest.mark.parametrize("kind", KINDS)
def test_false_alarms_for_each_tenant_and_month(kind: str) -> None:
    found = raised(kind, TENANTS, seed=8)

    print(f"\n{kind}: spend_3x_28d {found.by_3x:.3f}, spend_spike {found.by_spike:.3f}")
    assert found.by_spike <= 1


def test_sixfold_saturdays_seen_within_three_hours() -> None:
    seen = saturdays(2_000, seed=8)

    print(f"\nspend_rate {seen.by_rate:.1%}, spend_3x_28d {seen.by_3x:.1%}")
    assert seen.by_rate >= 0.95

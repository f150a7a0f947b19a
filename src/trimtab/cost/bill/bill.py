"""A bill is a function of ledger lines and a plan. Whole numbers throughout, rounded once.

Amounts before that are in millionths of a nano-USD. The total is rounded half to even to the cent;
its lines share it out by largest remainder, so that they add up to it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from trimtab.domain.billing import WHOLE, Closing, Group, Plan
from trimtab.store.base.ledger import LedgerSum
from trimtab.store.rollup import ADJUSTMENT

CENT = 10**13
"""A cent, in millionths of a nano-USD."""

_Of = tuple[str, str]


class BillLine(NamedTuple):
    """One line of a bill; an `adjustment` is of a month whose bill is closed."""

    group: Group
    is_adjustment: bool
    cents: int


class Bill(NamedTuple):
    """What a tenant owes for a month of its own calendar.

    Attributes:
        closed: Whether it stays what it is, whatever comes.
    """

    tenant: str
    month: str
    plan: Plan
    plan_seq: int
    lines: tuple[BillLine, ...]
    price_versions: tuple[str, ...]
    n_unpriced: int
    total_cents: int
    closed: bool = False

    @property
    def cost_nano(self) -> int:
        """What it cost, before any markup."""
        return sum(line.group.cost_nano for line in self.lines)

    def closing(self) -> Closing:
        """Write down what it is."""
        return Closing(
            tenant=self.tenant,
            month=self.month,
            plan=self.plan,
            plan_seq=self.plan_seq,
            price_versions=self.price_versions,
            groups=tuple(line.group for line in self.lines),
            n_unpriced=self.n_unpriced,
            total_cents=self.total_cents,
        )


def bill(
    tenant: str,
    month: str,
    sums: Sequence[LedgerSum],
    plan: Plan,
    *,
    plan_seq: int = 0,
    closings: Iterable[Closing] = (),
) -> Bill:
    """Work out the bill of a month.

    Args:
        tenant: Who owes it.
        month: As `2026-10`.
        sums: The ledger's, of this month and of all that are closed.
        plan: What is billed beyond the cost.
        plan_seq: Change that last moved the plan.
        closings: Of the tenant. What came of those months since they were closed is on this bill,
            by the plan of its own.
    """
    before = [it for it in closings if it.month < month]
    of_month = _by_group(sums, month)
    groups = [
        _group(month, of, count, plan) for of, count in sorted(of_month.items()) if any(count)
    ]
    late = [group for closing in before for group in _late(closing, sums, before)]
    touched = {month, *(group.month for group in late)}
    versions = {it.price_version for it in sums if it.month in touched and it.price_version}
    return _priced(
        Bill(
            tenant=tenant,
            month=month,
            plan=plan,
            plan_seq=plan_seq,
            lines=tuple(BillLine(group, group.month != month, 0) for group in (*groups, *late)),
            price_versions=tuple(sorted(versions)),
            n_unpriced=sum(it.n_unpriced for it in sums if it.month == month),
            total_cents=0,
        )
    )


def reopened(closing: Closing) -> Bill:
    """Show a closed bill as it was closed."""
    bill = Bill(
        tenant=closing.tenant,
        month=closing.month,
        plan=closing.plan,
        plan_seq=closing.plan_seq,
        lines=tuple(BillLine(it, it.month != closing.month, 0) for it in closing.groups),
        price_versions=closing.price_versions,
        n_unpriced=closing.n_unpriced,
        total_cents=0,
        closed=True,
    )
    return _priced(bill)


def amount(group: Group) -> int:
    """Give what a group comes to, in millionths of a nano-USD."""
    return group.cost_nano * (WHOLE + group.markup)


def share_out(amounts: Sequence[int]) -> tuple[list[int], int]:
    """Round amounts to cents so that they add up to their rounded sum; that comes last."""
    total, rest = divmod(sum(amounts), CENT)
    if 2 * rest > CENT or (2 * rest == CENT and total & 1):
        total += 1
    cents = [it // CENT for it in amounts]
    places = sorted(range(len(amounts)), key=lambda it: amounts[it] % CENT, reverse=True)
    for place in places[: total - sum(cents)]:
        cents[place] += 1
    return cents, total


def _priced(bill: Bill) -> Bill:
    cents, total = share_out([amount(line.group) for line in bill.lines])
    lines = (line._replace(cents=it) for line, it in zip(bill.lines, cents, strict=True))
    return bill._replace(lines=tuple(lines), total_cents=total)


def _by_group(sums: Iterable[LedgerSum], month: str) -> Mapping[_Of, tuple[int, int]]:
    """Add up attempts and cost of a month by feature and model; an adjustment is no attempt."""
    found: defaultdict[_Of, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for it in sums:
        if it.month == month:
            n, cost_nano = found[it.feature, it.model]
            attempts = 0 if it.kind == ADJUSTMENT else it.n
            found[it.feature, it.model] = n + attempts, cost_nano + it.cost_nano
    return found


def _late(
    closing: Closing, sums: Iterable[LedgerSum], closings: Iterable[Closing]
) -> Iterable[Group]:
    """Tell what of a closed month is in the ledger and on no bill yet."""
    billed: defaultdict[_Of, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for group in (group for it in closings for group in it.groups):
        if group.month == closing.month:
            n, cost_nano = billed[group.feature, group.model]
            billed[group.feature, group.model] = n + group.n, cost_nano + group.cost_nano
    known = _by_group(sums, closing.month)
    for of in sorted(known.keys() | billed.keys()):
        n, cost_nano = known.get(of, (0, 0))
        n_billed, billed_nano = billed.get(of, (0, 0))
        if (n, cost_nano) != (n_billed, billed_nano):
            missing = n - n_billed, cost_nano - billed_nano
            yield _group(closing.month, of, missing, closing.plan)


def _group(month: str, of: _Of, count: tuple[int, int], plan: Plan) -> Group:
    feature, model = of
    n, cost_nano = count
    markup = plan.markup_of(feature, model)
    return Group(month=month, feature=feature, model=model, n=n, cost_nano=cost_nano, markup=markup)

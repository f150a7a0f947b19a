"""From what a provider reported to what the attempt cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.cost.charge import Charge, charge, most
from trimtab.cost.prices import PriceList, context_of
from trimtab.cost.rates import PriceRow
from trimtab.cost.usage import read_reports
from trimtab.domain.chat import UsageReport
from trimtab.domain.model import Provider, Target, Wire
from trimtab.domain.usage import Usage, UsageSource


@dataclass(slots=True)
class Meter:
    """Reads usage and prices it.

    Attributes:
        prices: The price list in force; replaced whole when prices change.
        contracts: The price lists of tenants with prices of their own.
    """

    prices: PriceList
    contracts: Mapping[str, PriceList] = field(default_factory=dict[str, PriceList])

    def prices_of(self, tenant: str) -> PriceList:
        """Find the price list of a tenant."""
        return self.contracts.get(tenant, self.prices)

    def usage(self, wire: Wire, reports: Sequence[UsageReport]) -> Usage | None:
        """Normalise a provider's reports, oldest first; `None` if they tell nothing."""
        return read_reports(wire, reports)

    # who pays, where, for what and when
    def charge(
        self, provider: Provider, target: Target, usage: Usage, at_us: int, *, tenant: str = ""
    ) -> Charge:
        """Price a usage; what has no price is unknown, never zero. What was not sent is free.

        Without a tenant, the prices of nobody's own contract count.
        """
        prices = self.prices_of(tenant)
        version = prices.version
        if usage.source is UsageSource.NONE:
            return Charge(0, 0, 0, 0, 0, 0, price_version=version)
        row = _row(prices, provider, target, usage, at_us)
        return Charge(price_version=version) if row is None else charge(usage, row)

    def most(
        self, provider: Provider, target: Target, usage: Usage, at_us: int, *, tenant: str = ""
    ) -> int | None:
        """Price so many tokens or fewer, whichever kinds they are of; in nano-USD, rounded up."""
        row = _row(self.prices_of(tenant), provider, target, usage, at_us)
        return None if row is None else most(usage, row)


# which list, where, for what and when
def _row(
    prices: PriceList, provider: Provider, target: Target, usage: Usage, at_us: int
) -> PriceRow | None:
    # From `!` on a name asks a simulator for a fault and does not change what it costs.
    model = target.model.partition("!")[0]
    return prices.find(provider.priced_as, model, at_us=at_us, context=context_of(usage))

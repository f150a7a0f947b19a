"""Whether the traces that are kept tell the truth: what they stand for against all records."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from trimtab.domain.record import RequestRecord

SIGMAS = 4.0


@dataclass(slots=True)
class Sum:
    """Requests of one rule. A cost that is unknown counts as 0 on both sides.

    Attributes:
        weight: How many requests the kept traces stand for.
        estimate_nano: What those cost.
        variance: Of the estimate, as the share makes it.
    """

    n: int = 0
    kept: int = 0
    weight: float = 0.0
    cost_nano: int = 0
    estimate_nano: float = 0.0
    variance: float = 0.0

    def add(self, record: RequestRecord) -> None:
        """Count a request."""
        cost, count = record.cost_nano or 0, record.adjusted_count
        self.n += 1
        self.cost_nano += cost
        self.variance += (count - 1.0) * cost * cost
        if record.trace_kept:
            self.kept += 1
            self.weight += count
            self.estimate_nano += count * cost


@dataclass(slots=True)
class Weights:
    """All requests of some time.

    Attributes:
        rules: Those whose trace began here, by rule: of them the weights are ours alone.
        joined: Those that are part of a caller's trace, who may have drawn before us.
        unknown: Those of which nobody knows what one stands for; they are in no estimate.
    """

    rules: dict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    joined: Sum = field(default_factory=Sum)
    unknown: Sum = field(default_factory=Sum)

    def add(self, records: Iterable[RequestRecord]) -> None:
        """Count requests."""
        for record in records:
            if not record.adjusted_count:
                self.unknown.add(record)
            elif record.parent_span_id is not None:
                self.joined.add(record)
            else:
                self.rules[record.sampling_rule].add(record)

    @property
    def difference_nano(self) -> float:
        """By how much the estimate is above the ledger, of traces that began here."""
        return sum(it.estimate_nano - it.cost_nano for it in self.rules.values())

    @property
    def bound_nano(self) -> float:
        """How much that may be by chance: 4 sigma, and what adding floats costs."""
        rounding = 1e-9 * sum(it.cost_nano for it in self.rules.values())
        return SIGMAS * math.sqrt(sum(it.variance for it in self.rules.values())) + rounding

    @property
    def is_fair(self) -> bool:
        """Whether the estimate is as near as chance allows."""
        return abs(self.difference_nano) <= self.bound_nano

"""What reads sums by minute, hour and day."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from trimtab.store.base.ledger import CostRow
from trimtab.store.tally import Amount, Cell


class SeriesPoint(Struct, frozen=True, kw_only=True):
    """One minute of live traffic; percentiles of latency are within 4.5 %."""

    bucket_us: int
    n: int
    n_error: int
    cost_nano: int
    p50_us: int | None
    p95_us: int | None


class Use(NamedTuple):
    """Who called which model."""

    tenant_id: str
    key_id: str
    model: str


class PromptRow(Struct, frozen=True, kw_only=True):
    """Live requests with prompts, summed up over one group.

    `cost_nano` leaves out `n_unpriced` requests.
    """

    group: tuple[str, ...]
    n: int
    n_error: int
    n_unpriced: int
    cost_nano: int


class RollupReader(Protocol):
    """Sums by hour and day. Equal to the sum of ledger lines, exactly."""

    async def costs(
        self,
        *,
        since_us: int,
        until_us: int,
        group_by: Sequence[str],
        tenant_id: str | None = None,
    ) -> tuple[CostRow, ...]:
        """Sum live cost of configured models from daily rollups, dearest group first.

        `group_by` names columns of: `tenant_id`, `feature`, `model`, `provider`, `key_id`,
        `prompt_name`, `prompt_version`, `experiment`, `arm`, `status`, `day`, `origin`. By origin
        all are summed, not only what is live.
        Days begin at the tenant's midnight if one is named, else at midnight UTC; a day is in the
        span if its date, taken as UTC, is.
        """
        ...

    async def series(
        self, *, since_us: int, until_us: int, tenant_id: str | None = None
    ) -> tuple[SeriesPoint, ...]:
        """Give the live traffic by minute, oldest first, buckets without traffic left out."""
        ...

    async def used(self, *, since_us: int) -> tuple[Use, ...]:
        """Tell who called what since the hour of an instant; what was rejected does not count."""
        ...

    async def prompted(
        self, *, since_us: int, group_by: Sequence[str], name: str | None = None
    ) -> tuple[PromptRow, ...]:
        """Sum live requests with prompts since the hour of an instant, in the order of groups.

        `group_by` names columns of: `prompt`, `version`, `tenant_id`; `name` is of one prompt. What
        was rejected does not count.
        """
        ...

    async def tallies(self) -> Mapping[Cell, Amount]:
        """Give what is counted of all outcomes stored, by kind, series and bucket."""
        ...

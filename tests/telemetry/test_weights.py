import random

from msgspec.structs import replace
from tests.telemetry.shapes import record

from trimtab.domain.record import RequestRecord
from trimtab.domain.trace_context import WHOLE, TraceContext
from trimtab.telemetry.sampling import Policy, Sampler
from trimtab.telemetry.weights import Weights

OWN = TraceContext()
CHANCE = random.Random(7)  # noqa: S311 -- repeatable
SAMPLER = Sampler(Policy(rest=0.05))


def drawn(**fields: object) -> RequestRecord:
    trace_id = f"{1:018x}{CHANCE.randrange(WHOLE):014x}"
    it = record(trace_id=trace_id, cost_nano=CHANCE.randrange(1, 1_000_000), **fields)
    return SAMPLER(it, OWN)[0]


def summed(*records: RequestRecord) -> Weights:
    weights = Weights()
    weights.add(records)
    return weights


def test_what_is_kept_stands_for_all_as_near_as_chance_allows() -> None:
    found = summed(*(drawn() for _ in range(20_000)), *(drawn(status="error") for _ in range(100)))

    assert found.is_fair
    assert 0 < abs(found.difference_nano) < found.bound_nano
    error = found.rules["error"]
    assert (error.n, error.kept, error.weight) == (100, 100, 100.0)
    assert error.estimate_nano == error.cost_nano
    assert found.rules["rest"].kept < 2000


def test_a_weight_that_is_not_the_share_s_shows() -> None:
    records = [replace(drawn(), adjusted_count=10.0) for _ in range(20_000)]

    assert not summed(*records).is_fair


def test_what_callers_drew_and_what_nobody_knows_is_told_apart() -> None:
    joined = drawn(parent_span_id="00f067aa0ba902b7")
    unknown = replace(drawn(), adjusted_count=0.0)

    found = summed(joined, unknown)

    assert (found.joined.n, found.unknown.n, len(found.rules)) == (1, 1, 0)
    assert found.unknown.estimate_nano == 0.0
    assert found.is_fair

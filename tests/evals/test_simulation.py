"""Does the gate err as rarely, and see as much, as it says: 2,000 simulated runs per cell."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from trimtab.evals.gate import gate
from trimtab.evals.repeats import Samples, deltas
from trimtab.evals.verdict import Outcome, Row, Rules, Verdict
from trimtab.stats.estimate import FloatArray, IntArray
from trimtab.stats.paired import mcnemar_worse, sign_flips

RUNS = 2000
NOISE = 2 * (0.05 * 0.95 / RUNS) ** 0.5  # two standard errors of a share of .05
RULES = Rules(seed=1, flips=199, draws=400)


@dataclass(frozen=True, slots=True)
class Seen:
    """Share of runs that FAIL, and share whose 95% interval holds the truth."""

    failed: float
    covered: float


def seen(rows: Iterator[Row], truth: float) -> Seen:
    failed, covered = 0, 0
    for row in rows:
        failed += row.verdict is Verdict.FAIL
        assert row.interval is not None
        covered += row.interval.low <= truth <= row.interval.high
    return Seen(failed / RUNS, covered / RUNS)


def rows(outcomes: Iterator[Outcome], rules: Rules = RULES) -> Iterator[Row]:
    return (gate([outcome], rules).rows[0] for outcome in outcomes)


def binary(n: int, discordance: float, drop: float) -> Iterator[Outcome]:
    """Draw arms that differ on a share of cases, the rest right in four of five."""
    rng = np.random.default_rng(2)
    same = 1 - discordance
    chances = (same * 0.8, (discordance + drop) / 2, (discordance - drop) / 2, same * 0.2)
    for _ in range(RUNS):
        which = rng.choice(4, n, p=chances)
        baseline, candidate = np.isin(which, (0, 1)), np.isin(which, (0, 2))
        yield Outcome("m", candidate.astype(np.float64), baseline.astype(np.float64), binary=True)


def test_one_sample_each_with_nothing_changed() -> None:
    found = seen(rows(binary(300, 0.1, 0.0)), 0.0)

    assert found.failed <= 0.05
    assert 0.93 <= found.covered <= 0.97


def test_one_sample_each_with_a_drop_of_five_points() -> None:
    found = seen(rows(binary(300, 0.1, 0.05)), -0.05)

    assert found.failed == pytest.approx(0.845, abs=0.03)
    assert 0.93 <= found.covered <= 0.97


@pytest.mark.parametrize(
    ("n", "discordance", "powers"),
    [
        (100, 0.1, (0.086, 0.147, 0.348, 0.774)),
        (300, 0.1, (0.238, 0.438, 0.845, 0.999)),
        (300, 0.2, (0.160, 0.272, 0.572, 0.919)),
        (1000, 0.1, (0.603, 0.901, 1.000, 1.000)),
    ],
)
def test_power_is_within_three_points_of_what_we_publish(
    n: int, discordance: float, powers: tuple[float, ...]
) -> None:
    rng = np.random.default_rng(3)
    for drop, power in zip((0.02, 0.03, 0.05, 0.08), powers, strict=True):
        chances = ((discordance + drop) / 2, (discordance - drop) / 2, 1 - discordance)
        losses, wins, _ = rng.multinomial(n, chances, RUNS).T.astype(np.float64)

        assert (mcnemar_worse(losses, wins) < 0.05).mean() == pytest.approx(power, abs=0.03)


def test_cases_that_are_repeated_when_they_differ() -> None:
    """Right with a chance of their own, the same in both arms."""
    right = chances_of(200)

    def outcomes() -> Iterator[Outcome]:
        rng = np.random.default_rng(4)
        for _ in range(RUNS):
            given = repeated(rng, right, right)
            yield Outcome(
                "m",
                given.candidate[:, 0],
                given.baseline[:, 0],
                binary=True,
                deltas=deltas(given),
            )

    found = seen(rows(outcomes(), replace(RULES, draws=600)), 0.0)

    assert found.failed <= 0.05 + NOISE
    assert 0.93 <= found.covered <= 0.97


def test_repeats_find_what_one_sample_misses() -> None:
    rng = np.random.default_rng(6)
    right = np.tile(chances_of(150), RUNS)
    given = repeated(rng, right, right - 0.05)

    once, again = (
        sign_flips(found.reshape(RUNS, -1), seed=1, flips=399)
        for found in (given.candidate[:, 0] - given.baseline[:, 0], deltas(given))
    )

    assert (again < 0.05).mean() > (once < 0.05).mean() + 0.10


def chances_of(n: int) -> FloatArray:
    rng = np.random.default_rng(7)
    return rng.choice([0.2, 0.5, 0.8, 0.95, 1.0], n, p=[0.1, 0.1, 0.2, 0.3, 0.3])


def repeated(rng: np.random.Generator, baseline: FloatArray, candidate: FloatArray) -> Samples:
    one, two = (
        (rng.random((len(right), 5)) < right[:, None]).astype(np.float64)
        for right in (baseline, candidate)
    )
    return Samples(one, two, np.where(one[:, 0] != two[:, 0], 5, 1), binary=True)


def test_ten_cases_of_one_document_are_not_ten_cases() -> None:
    """Each document is better for one arm or the other, and neither arm is better."""
    groups = np.repeat(np.arange(60), 10)
    runs = list(grouped(groups))

    alone = seen(rows(iter(runs)), 0.0)
    whole = seen(rows(replace(one, groups=groups) for one in runs), 0.0)

    assert alone.failed > 0.10
    assert alone.covered < 0.90
    assert whole.failed <= 0.05 + NOISE
    assert 0.93 <= whole.covered <= 0.97


def grouped(groups: IntArray) -> Iterator[Outcome]:
    rng = np.random.default_rng(5)
    for _ in range(RUNS):
        tilt = rng.choice([-0.3, 0.3], groups.max() + 1)[groups]
        baseline, candidate = (
            (rng.random(len(groups)) < 0.65 + side * tilt).astype(np.float64)
            for side in (-0.5, 0.5)
        )
        yield Outcome("m", candidate, baseline, binary=True)

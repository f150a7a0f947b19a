"""The figures published beside the recorded data, and those of the papers they come from."""

import numpy as np
import pytest
from tests.recorded import (
    CLASSES,
    Xsum,
    gradings,
    halueval,
    models,
    ragchecker,
    xsum,
)

from trimtab.stats.agreement import (
    Weighting,
    confusion,
    gwet_ac1,
    kappa,
    raw_agreement,
)
from trimtab.stats.bootstrap import Method, resample
from trimtab.stats.classification import f1, precision, recall
from trimtab.stats.correlation import pearson, spearman, spearman_of
from trimtab.stats.estimate import BoolArray, Estimate
from trimtab.stats.multiple import holm
from trimtab.stats.paired import mcnemar, paired_t
from trimtab.stats.power import mean_mde
from trimtab.stats.proportion import Pairs, newcombe, wilson
from trimtab.stats.raters import fleiss, krippendorff

DIGITS = 5.1e-7  # six are printed


def close(found: Estimate | float | None, expected: float) -> None:
    value = found.value if isinstance(found, Estimate) else found
    assert value == pytest.approx(expected, abs=DIGITS)


def ends(found: Estimate, low: float, high: float, digits: float = DIGITS) -> None:
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=digits)


# human-human Pearson and Spearman; raw; kappa, its interval, linear, quadratic; AC1;
# judge-human Pearson and Spearman; interval of Spearman
RAGCHECKER = {
    "correctness": (
        (0.636679, 0.591909, 0.500000, 0.311338, 0.230500, 0.392177, 0.471542, 0.633142),
        (0.389632, 0.496555, 0.469432, 0.38, 0.55),
    ),
    "completeness": (
        (0.719073, 0.683637, 0.600000, 0.462600, 0.386192, 0.539007, 0.590945, 0.718376),
        (0.508930, 0.606691, 0.580947, 0.49, 0.66),
    ),
    "overall": (
        (0.700929, 0.688910, 0.553571, 0.413254, 0.336603, 0.489904, 0.558689, 0.698500),
        (0.449496, 0.619251, 0.608960, 0.53, 0.68),
    ),
}


@pytest.mark.parametrize("name", RAGCHECKER)
def test_ragchecker(name: str) -> None:
    expected = (*RAGCHECKER[name][0], *RAGCHECKER[name][1])
    label = ragchecker(name)
    whole = (label.first + 2).astype(np.int64), (label.second + 2).astype(np.int64)
    table = confusion(*whole, 5)

    close(pearson(label.first, label.second), expected[0])
    close(spearman(label.first, label.second), expected[1])
    close(raw_agreement(table), expected[2])
    close(kappa(table), expected[3])
    ends(kappa(table), expected[4], expected[5])
    close(kappa(table, Weighting.LINEAR), expected[6])
    close(kappa(table, Weighting.QUADRATIC), expected[7])
    close(gwet_ac1(table), expected[8])
    close(pearson(label.judge_twice, label.human), expected[9])
    close(spearman(label.judge_twice, label.human), expected[10])
    drawn = resample(spearman_of(label.judge_twice, label.human), label.pairs, seed=1)
    for method in Method:
        ends(drawn.interval(method), expected[11], expected[12], digits=0.01)


# mean, share differing, variance within and between rows; rows that flip; kappa of 1-2, 1-3, 2-3
GRADINGS = {
    "mt_bench": (3.488542, 0.559375, 0.257292, 1.558210, 47, (0.835478, 0.875886, 0.841071)),
    "vicuna": (4.145833, 0.378125, 0.134375, 0.609805, 23, (0.798524, 0.803694, 0.819664)),
}


@pytest.mark.parametrize("name", GRADINGS)
def test_three_gradings_of_one_judge(name: str) -> None:
    mean, differing, within, between, flips, agreement = GRADINGS[name]
    scores = gradings(name)
    codes = (scores - 1).astype(np.int64)

    close(float(scores.mean()), mean)
    close(float((np.ptp(scores, axis=1) > 0).mean()), differing)
    close(float(scores.var(axis=1, ddof=1).mean()), within)
    close(float(scores.mean(1).var(ddof=1)), between)
    for (i, j), expected in zip(((0, 1), (0, 2), (1, 2)), agreement, strict=True):
        close(kappa(confusion(codes[:, i], codes[:, j], 5), Weighting.QUADRATIC), expected)
    assert np.count_nonzero(np.ptp(np.where(scores >= 4, 1, 0), axis=1)) == flips


# delta, paired t p; b, c, interval
REGRADED = {
    "mt_bench": (0.021875, 0.601608, 18, 19, -0.034511, 0.040744),
    "vicuna": (0.028125, 0.335377, 6, 6, -0.023631, 0.023631),
}


@pytest.mark.parametrize("name", REGRADED)
def test_one_grading_against_another(name: str) -> None:
    delta, p, b, c, low, high = REGRADED[name]
    first, second, _ = gradings(name).T
    counts = pairs(first >= 4, second >= 4)

    found = paired_t(second - first)

    close(found.delta, delta)
    close(found.two_sided, p)
    assert (counts.first, counts.second) == (b, c)
    ends(newcombe(counts), low, high)


# file, first, second: delta, interval, p, smallest visible drop
MODELS = {
    "mt_bench chatgpt vicuna_13b": (-0.55, -0.782219, -0.317781, 0.00001, 0.290089),
    "mt_bench chatgpt llama2_chat_13b": (-0.3375, -0.580390, -0.094610, 0.007068, 0.303419),
    "mt_bench llama2_chat_13b wizardlm_13b": (-0.0875, -0.387195, 0.212195, 0.562802, 0.374380),
    "vicuna chat_gpt vicuna": (-0.433333, -0.620846, -0.245820, 0.000016, 0.234242),
    "vicuna vicuna wizard": (0.279167, 0.065916, 0.492417, 0.010954, 0.266393),
    "vicuna chat_gpt llama-2-chat": (0.0375, -0.126468, 0.201468, 0.650197, 0.204829),
}


@pytest.mark.parametrize("pair", MODELS)
def test_two_models(pair: str) -> None:
    name, *compared = pair.split()
    first, second = (models(name)[model] for model in compared)

    found = paired_t(second - first)

    assert found.interval is not None
    mde = mean_mde(float((second - first).std(ddof=1)) / len(first) ** 0.5)
    shown = (found.delta, found.interval.low, found.interval.high, found.two_sided, mde)
    assert shown == pytest.approx(MODELS[pair], abs=DIGITS)


def test_a_judge_that_always_says_no_agrees_often_and_knows_nothing() -> None:
    human, _ = halueval()
    table = confusion(human.astype(np.int64), np.zeros(len(human), np.int64), 2)

    assert (len(human), human.sum()) == (4507, 815)
    close(raw_agreement(table), 0.819170)
    close(kappa(table), 0)
    close(gwet_ac1(table), 0.783572)
    assert precision(table, 1).value is None
    assert (recall(table, 1).value, f1(table, 1).value) == (0, 0)


def test_a_judge_that_looks_for_a_digit() -> None:
    human, digit = halueval()
    table = confusion(human.astype(np.int64), digit.astype(np.int64), 2)

    assert table.tolist() == [[2037, 1655], [426, 389]]
    close(raw_agreement(table), 0.538274)
    close(kappa(table), 0.018289)
    ends(kappa(table), -0.005575, 0.042152)
    close(gwet_ac1(table), 0.185454)
    close(precision(table, 1), 0.190313)
    close(recall(table, 1), 0.477301)
    close(f1(table, 1), 0.272123)


def test_xsum_annotators() -> None:
    items = xsum()
    rows = items.counts.sum(1)

    assert items.counts.sum(0).tolist() == [582, 4982, 33]
    assert (len(rows), (rows == 3).sum(), items.three_answers.sum()) == (1869, 1859, 1848)
    close(fleiss(items.counts[items.three_answers][:, :2]), 0.774363)
    close(fleiss(items.counts[rows == 3]), 0.786600)
    close(krippendorff(items.counts[:, :2]), 0.773606)
    assert len(CLASSES) == items.counts.shape[1]


# majority says yes, of, share, interval
XSUM_SYSTEMS = {
    "BERTS2S": (66, 454, 0.145374, 0.115926, 0.180773),
    "TConvS2S": (49, 469, 0.104478, 0.079934, 0.135448),
    "TranS2S": (44, 471, 0.093418, 0.070326, 0.123089),
    "PtGen": (25, 454, 0.055066, 0.037574, 0.080025),
}


@pytest.mark.parametrize("system", XSUM_SYSTEMS)
def test_xsum_systems(system: str) -> None:
    yes, n, share, low, high = XSUM_SYSTEMS[system]
    factual = xsum().factual(system)

    assert (sum(factual.values()), len(factual)) == (yes, n)
    close(wilson(yes, n), share)
    ends(wilson(yes, n), low, high)


# n, b, c, delta, interval, exact two-sided p, Holm over all six (of unrounded p, where the page
# beside the data multiplies rounded ones: the last digit of four differs)
XSUM_PAIRS = {
    "BERTS2S PtGen": (420, 56, 15, -0.097619, -0.137313, -0.059318, 0.000001, 0.000006),
    "BERTS2S TranS2S": (437, 54, 29, -0.057208, -0.098550, -0.016309, 0.008037, 0.040184),
    "BERTS2S TConvS2S": (431, 48, 37, -0.025522, -0.068046, 0.016846, 0.277999, 0.555999),
    "PtGen TConvS2S": (432, 20, 40, 0.046296, 0.010957, 0.082531, 0.013489, 0.053957),
    "PtGen TranS2S": (432, 22, 39, 0.039352, 0.003827, 0.075595, 0.039617, 0.118851),
    "TConvS2S TranS2S": (447, 43, 35, -0.017897, -0.057119, 0.021148, 0.428207, 0.555999),
}


def test_xsum_systems_in_pairs() -> None:
    items = xsum()
    counted = [shared(items, *pair.split()) for pair in XSUM_PAIRS]
    p = np.array([mcnemar(int(one.first), int(one.second)).two_sided for one in counted])

    shown = [
        (one.n, one.first, one.second, *figures(newcombe(one)), *chances)
        for one, chances in zip(counted, zip(p, holm(p), strict=True), strict=True)
    ]

    for found, expected in zip(shown, XSUM_PAIRS.values(), strict=True):
        assert found == pytest.approx(expected, abs=DIGITS)


def figures(found: Estimate) -> tuple[float | None, float, float]:
    assert found.interval is not None
    return found.value, found.interval.low, found.interval.high


def shared(items: Xsum, first: str, second: str) -> Pairs:
    one, two = items.factual(first), items.factual(second)
    both = [(one[document], two[document]) for document in one if document in two]
    return pairs(*np.array(both).T)


def pairs(one: BoolArray, two: BoolArray) -> Pairs:
    table = confusion(one.astype(np.int64), two.astype(np.int64), 2)
    (neither, second), (first, both) = table.tolist()
    return Pairs(both, first, second, neither)

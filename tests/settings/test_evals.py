import pytest
from tests.settings.conftest import Faults, Load

from trimtab.domain.tenant import JudgePolicy
from trimtab.settings import OnlineSettings

HEAD = """\
version: 1
providers: {sim: {wire: caller, url: "https://sim.example.com"}}
models: {chat: {kind: alias, to: sim/large}}
tiers: {free: {models: [chat], judge: never}}
tenants: {acme: {tier: free, judge: sampled}, trimtab-eval: {tier: free}}
"""
ONLINE = """\
evals:
  online:
    rate: 2.5%
    at_least: 3
    max_usd: 1.25
    judge: {model: chat, max_tokens: 64, embeddings: sim/embed}
    metrics:
      faithfulness: {}
      helpful: {metric: rubric, rubric: "5 is best", scale: 5}
"""


def test_without_the_section_nothing_is_judged(load_text: Load) -> None:
    assert load_text(HEAD).online is None
    assert load_text(HEAD + "evals: {}\n").online is None


def test_reads_the_whole_section(load_text: Load) -> None:
    assert load_text(HEAD + ONLINE).online == OnlineSettings(
        rate=0.025,
        at_least=3,
        most_nano=1_250_000_000,
        model="chat",
        max_tokens=64,
        embeddings="sim/embed",
        metrics={
            "faithfulness": {},
            "helpful": {"metric": "rubric", "rubric": "5 is best", "scale": 5},
        },
    )


def test_a_tenant_says_for_itself_whether_it_is_judged(load_text: Load) -> None:
    settings = load_text(HEAD)

    assert settings.tiers["free"].judge is JudgePolicy.NEVER
    assert [it.judge for it in settings.tenants.values()] == [JudgePolicy.SAMPLED, None]


@pytest.mark.parametrize(
    ("wrong", "right", "line"),
    [
        ("rate: 101%", "rate: 2.5%", "evals.online.rate: '101%' is no share"),
        ("rate: 0.01", "rate: 2.5%", "evals.online.rate: '0.01' is no share"),
        ("max_usd: 0", "max_usd: 1.25", "evals.online.max_usd: '0' is not above 0"),
        ("at_least: 0", "at_least: 3", "evals.online.at_least: '0' is no whole number"),
        ("model: chta", "model: chat", "evals.online.judge.model: model 'chta' is not in the file"),
        ("embeddings: sum/a", "embeddings: sim/embed", "judge.embeddings: provider 'sum' is not"),
        ("faithfulnes: {}", "faithfulness: {}", "evals.online.metrics.faithfulnes: "),
        ("scal: 5", "scale: 5", "evals.online.metrics.helpful.scal: is not known here"),
        ("max_usd: null", "max_usd: 1.25", "evals.online: 'max_usd' is missing"),
        ("per: day", "at_least: 3", "evals.online.per: is not known here"),
    ],
)
def test_tells_what_is_wrong(faults: Faults, wrong: str, right: str, line: str) -> None:
    assert right in ONLINE
    (fault,) = faults(HEAD + ONLINE.replace(right, wrong))

    assert line in fault


def test_somebody_must_pay(faults: Faults) -> None:
    (fault,) = faults(HEAD.replace(", trimtab-eval: {tier: free}", "") + ONLINE)

    assert "evals.online: has to be paid for, and there is no tenant 'trimtab-eval'" in fault


def test_metrics_that_compare_vectors_need_a_model_for_them(faults: Faults) -> None:
    text = ONLINE.replace("faithfulness", "answer_relevancy")

    (fault,) = faults(HEAD + text.replace(", embeddings: sim/embed", ""))

    assert "evals.online.metrics.answer_relevancy: compares vectors" in fault

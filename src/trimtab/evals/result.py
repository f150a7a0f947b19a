"""What a run was and what came of it: one JSON document, the input of every report.

`trimtab.eval-report/1`. Whatever is not in here nobody may print. Times and costs are kept apart
from what the rest is made of, so that two runs over the same answers give the same bytes without
them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from trimtab.domain.prompt import digest
from trimtab.evals.case import Kind
from trimtab.evals.metrics.base import Score

SCHEMA = "trimtab.eval-report/1"


class Arm(StrEnum):
    """Which side an answer is of."""

    CANDIDATE = "candidate"
    BASELINE = "baseline"


class Stop(StrEnum):
    """Why a run ended before it was through."""

    BUDGET = "budget"
    NO_CREDENTIALS = "no_credentials"
    PROVIDER = "provider_unavailable"
    INTERRUPTED = "interrupted"


class Subject(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What answered in an arm.

    Attributes:
        name: What people call it: `rag-answer@3.3.0`, or the target's own name.
        prompt_hash: Hash of the prompt version, if it is one.
        model: The model that was asked for; "" leaves it to the prompt.
        answered: Models as the answers named them.
        label: The label that it was found by.
        reused_from: The run whose answers these are.
    """

    name: str
    prompt: str | None = None
    prompt_version: str | None = None
    prompt_hash: str | None = None
    model: str = ""
    answered: tuple[str, ...] = ()
    label: str | None = None
    code_hash: str | None = None
    reused_from: str | None = None


class CaseSeen(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A case, as far as reports need it."""

    id: str
    hash: str
    input: dict[str, Any]
    expected: Any = None
    tags: tuple[str, ...] = ()
    group: str | None = None
    slices: tuple[str, ...] = ()


class Sample(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer to one case, and its scores.

    Attributes:
        text: The answer; "" if there is none.
        error: Code of what went wrong instead of an answer.
        scores: By the name of the metric in the suite. Those of a failed answer are errors.
        latency_s: Seconds to the whole answer.
    """

    case: str
    arm: Arm
    index: int
    text: str = ""
    retrieved: tuple[str, ...] | None = None
    error: str = ""
    error_detail: str = ""
    request_id: str | None = None
    model: str | None = None
    output_tokens: int | None = None
    scores: Mapping[str, Score] = {}
    latency_s: float | None = None
    cost_nano: int | None = None

    @property
    def answer_hash(self) -> str:
        """SHA-256 of the text, hex."""
        return digest(self.text)


class JudgeSeen(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who judged, and how much of it was remembered.

    Attributes:
        model: The model that was asked for.
        resolved: Provider and dated model as its answers named them.
        prompts: Hash of each judge prompt used, by name.
        signed: Whether remembered verdicts had to be signed.
        refused: Remembered verdicts that were not used: unsigned, tampered with, unreadable.
    """

    model: str
    resolved: str = ""
    prompts: Mapping[str, str] = {}
    signed: bool = False
    refused: int = 0


class Spent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What it took; the one part that differs when a run is repeated.

    Attributes:
        priced: Whether everything had a price.
    """

    started_us: int = 0
    ended_us: int = 0
    candidate_nano: int = 0
    judge_nano: int = 0
    candidate_calls: int = 0
    judge_calls: int = 0
    judge_remembered: int = 0
    priced: bool = True


class Run(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=SCHEMA):
    """A run of one suite.

    Attributes:
        run_id: `ev_` and a ULID.
        metrics: Names of the metrics in the suite's order, with their versions.
        settings: The suite's metric and gate settings, as written: what the verdict was made by.
        unpaired: Cases that cannot be compared, because they changed since the baseline's run.
        stopped: Why it is not complete.
        warnings: Sentences for people.
    """

    run_id: str
    suite: str
    file: str
    kind: Kind
    dataset_hash: str
    suite_hash: str
    candidate: Subject
    baseline: Subject | None = None
    judge: JudgeSeen | None = None
    metrics: Mapping[str, str] = {}
    settings: Mapping[str, Any] = {}
    cases: tuple[CaseSeen, ...] = ()
    samples: tuple[Sample, ...] = ()
    quarantine: Mapping[str, str] = {}
    unpaired: tuple[str, ...] = ()
    stopped: Stop | None = None
    warnings: tuple[str, ...] = ()
    spent: Spent = Spent()

    def of(self, arm: Arm) -> Mapping[str, tuple[Sample, ...]]:
        """Give the samples of an arm by case, in their order."""
        found = dict[str, list[Sample]]()
        for sample in sorted(self.samples, key=lambda it: it.index):
            if sample.arm is arm:
                found.setdefault(sample.case, []).append(sample)
        return {case: tuple(samples) for case, samples in found.items()}


def write_run(run: Run) -> bytes:
    """Write a run as its document; the same run gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(run, order="deterministic"), indent=1)


def read_run(data: bytes) -> Run:
    """Read the document of a run. Raises `msgspec.DecodeError`."""
    return msgspec.json.decode(data, type=Run)

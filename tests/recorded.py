"""Human labels and judges' scores that others published, as arrays: see README of the data."""

import csv
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tests.services import recorded

from trimtab.stats.estimate import BoolArray, FloatArray, IntArray

CLASSES = ("yes", "no", "NULL")


@dataclass(frozen=True, slots=True)
class Label:
    """RAGChecker: how much better one answer is than another, -2 .. 2, by two people; a judge."""

    first: FloatArray
    second: FloatArray
    judge: FloatArray

    @property
    def human(self) -> FloatArray:
        return np.stack([self.first, self.second], 1).ravel()

    @property
    def judge_twice(self) -> FloatArray:
        return np.repeat(self.judge, 2)

    @property
    def pairs(self) -> IntArray:
        return np.repeat(np.arange(len(self.judge)), 2)


def ragchecker(name: str) -> Label:
    folder = recorded("evals") / "ragchecker"
    human: Any = json.loads((folder / "human_labeled_data.json").read_text())
    scored: Any = json.loads((folder / "baseline_ragchecker.json").read_text())
    key = f"{name}_label"
    labels = np.array([row[key] for row in human], np.float64)
    one, two = (
        np.array([row[model]["ragchecker"][key] for row in scored], np.float64)
        for model in ("model1", "model2")
    )
    return Label(labels[::2], labels[1::2], two - one)


def gradings(name: str) -> FloatArray:
    """Three gradings 1 .. 5 of the same answers by GPT-4, shape (320, 3)."""
    file = recorded("evals") / "prometheus-eval" / f"{name}_eval.json"
    rows: Any = json.loads(file.read_text())
    return np.array([row["gpt4_score"] for row in rows], np.float64)


def models(name: str) -> Mapping[str, FloatArray]:
    """Mean grading of each of 80 questions, by answering model."""
    file = recorded("evals") / "prometheus-eval" / f"{name}_eval.json"
    rows: Any = json.loads(file.read_text())
    means = defaultdict[str, dict[str, float]](dict)
    for row in rows:
        means[row["response_source"]][str(row["idx"])] = sum(row["gpt4_score"]) / 3
    order = sorted(next(iter(means.values())))
    return {model: np.array([by[i] for i in order]) for model, by in means.items()}


def halueval() -> tuple[BoolArray, BoolArray]:
    """Does an answer hallucinate, by a person; has it an ASCII digit."""
    folder = recorded("evals") / "halueval"
    text = "".join((folder / f"general_data.part{part}.jsonl").read_text() for part in (1, 2))
    rows: Any = [json.loads(line) for line in text.splitlines() if line]
    return (
        np.array([row["hallucination"] == "yes" for row in rows]),
        np.array([any(c in "0123456789" for c in row["chatgpt_response"]) for row in rows]),
    )


@dataclass(frozen=True, slots=True)
class Xsum:
    """Counts of yes, no, NULL by item, (1869, 3), and which document and system it is of."""

    counts: IntArray
    documents: tuple[str, ...]
    systems: tuple[str, ...]

    @property
    def three_answers(self) -> BoolArray:
        return self.counts[:, :2].sum(1) == 3

    def factual(self, system: str) -> Mapping[str, bool]:
        """Does the majority say yes, by document, where there are three answers."""
        named = zip(self.documents, self.systems, self.counts, self.three_answers, strict=True)
        return {
            document: bool(counts[0] > counts[1])
            for document, of, counts, three in named
            if of == system and three
        }


def xsum() -> Xsum:
    file = recorded("evals") / "xsum" / "factuality_annotations_xsum_summaries.csv"
    counts = defaultdict[tuple[str, str], list[int]](lambda: [0, 0, 0])
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            counts[row["bbcid"], row["system"]][CLASSES.index(row["is_factual"])] += 1
    documents, systems = zip(*counts, strict=True)
    return Xsum(np.array(list(counts.values())), documents, systems)


@dataclass(frozen=True, slots=True)
class TwoTurns:
    """A question of MT-Bench in two turns, with what GPT-4 answers to some."""

    id: str
    category: str
    turns: tuple[str, str]
    references: tuple[str, str] | None


def mt_bench() -> list[TwoTurns]:
    answers = {
        it["question_id"]: tuple(it["choices"][0]["turns"])
        for it in _lines("reference_answer_gpt-4")
    }
    return [
        TwoTurns(
            str(it["question_id"]),
            it["category"],
            tuple(it["turns"]),
            answers.get(it["question_id"]),
        )
        for it in _lines("question")
    ]


def mt_bench_judges() -> list[dict[str, str]]:
    return _lines("judge_prompts")


def _lines(name: str) -> list[Any]:
    text = (recorded("evals") / "mt-bench" / f"{name}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines() if line]

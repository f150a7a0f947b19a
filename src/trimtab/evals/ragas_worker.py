"""Scores by ragas, in the environment that `trimtab evals ragas install` builds.

A program of its own that imports nothing of Trimtab. It reads and writes JSON, one object a line:

    in   {"id": 1, "metric": "faithfulness", "sample": {"user_input": ...}}
    out  {"id": 1, "prompt": "...", "shape": "NLIStatementOutput"}   a question to the judge
    in   {"id": 1, "said": {...}}
    out  {"id": 1, "texts": ["..."]}                                 texts to make vectors of
    in   {"id": 1, "said": [[0.1, ...], ...]}
    out  {"id": 1, "value": 0.5}, or {"id": 1, "failed": "why"}

Where there is no answer, {"id": 1, "gone": true} comes in, and nothing more is said of it.
"""

import asyncio
import json
import math
import os
import sys
from collections.abc import Mapping
from typing import TextIO, TypeVar

from pydantic import BaseModel
from ragas.embeddings.base import BaseRagasEmbedding
from ragas.llms.base import InstructorBaseRagasLLM
from ragas.metrics import collections

KINDS = {
    "faithfulness": collections.Faithfulness,
    "answer_relevancy": collections.AnswerRelevancy,
    "context_precision": collections.ContextPrecision,
    "context_recall": collections.ContextRecall,
}
M = TypeVar("M", bound=BaseModel)

NAN = "ragas gave NaN: it found nothing to judge in what the judge answered"


class Pipe:
    """The way to Trimtab, and back, of one score."""

    def __init__(self, out: TextIO, number: int) -> None:
        self.out = out
        self.number = number
        self.said = asyncio.Queue[object]()

    def tell(self, **members: object) -> None:
        """Write a line."""
        print(json.dumps({"id": self.number, **members}), file=self.out, flush=True)

    async def ask(self, **members: object) -> object:
        """Write a line, and wait for what is said to it."""
        self.tell(**members)
        return await self.said.get()


class Llm(InstructorBaseRagasLLM):
    """The judge. It has no cache: that of ragas does not know one model from another."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe

    def generate(self, prompt: str, response_model: type[M]) -> M:
        """Nothing here waits like this."""
        raise NotImplementedError

    async def agenerate(self, prompt: str, response_model: type[M]) -> M:
        """Ask the judge."""
        said = await self.pipe.ask(prompt=prompt, shape=response_model.__name__)
        return response_model.model_validate(said)


class Embedding(BaseRagasEmbedding):
    """The embedding model."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self.pipe = pipe

    def embed_text(self, text: str, **_: object) -> list[float]:
        """Nothing here waits like this."""
        raise NotImplementedError

    async def aembed_text(self, text: str, **_: object) -> list[float]:
        """Ask for one vector."""
        return (await self.aembed_texts([text]))[0]

    async def aembed_texts(self, texts: list[str], **_: object) -> list[list[float]]:
        """Ask for vectors."""
        return await self.pipe.ask(texts=texts)


async def score(pipe: Pipe, kind: str, sample: Mapping[str, object]) -> None:
    """Score a sample, and tell what came of it."""
    parts = {"embeddings": Embedding(pipe)} if kind == "answer_relevancy" else {}
    try:
        result = await KINDS[kind](llm=Llm(pipe), **parts).ascore(**sample)
        value = float(result.value)
    # An edge: whatever ragas raises is an error of this one score.
    except Exception as exc:  # noqa: BLE001
        pipe.tell(failed=f"{type(exc).__name__}: {exc}")
        return
    pipe.tell(**({"failed": NAN} if math.isnan(value) else {"value": value}))


async def main(out: TextIO) -> None:
    """Score what is asked for, until nobody asks any more."""
    loop = asyncio.get_running_loop()
    running: dict[int, tuple[Pipe, asyncio.Task[None]]] = {}
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        told = json.loads(line)
        number = told["id"]
        if "metric" in told:
            pipe = Pipe(out, number)
            task = loop.create_task(score(pipe, told["metric"], told["sample"]))
            running[number] = pipe, task
            task.add_done_callback(lambda _, number=number: running.pop(number, None))
        elif number in running:
            pipe, task = running[number]
            if "gone" in told:
                task.cancel()
            else:
                pipe.said.put_nowait(told["said"])


if __name__ == "__main__":
    # Whatever else prints does not get between the lines.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdin.reconfigure(encoding="utf-8")
    asyncio.run(main(lines))

"""An app as it is instrumented: it searches, asks OpenAI's and Anthropic's client, and is told off.

Prints the ids of its answers as JSON.
"""

import json
import time
from typing import Any

import trimtab.sdk as tt


def search() -> None:
    """Find two documents."""
    with tt.retrieval(
        "docs-index",
        query="How long may I return it?",
        top_k=2,
        embedding_model="text-embedding-3-large",
        index_build_date="2026-03-01",
    ) as found:
        time.sleep(0.002)
        found.documents(
            [("doc-12", 0.83, "3", "Refunds take 14 days."), ("doc-77", 0.71, None, None)]
        )


tt.init(service="rag-api")
asked: Any = [{"role": "user", "content": "How long may I return it?"}]
with tt.context(conversation="s-91", user="u-17", feature="search", tags={"team": "shop"}):
    openai, anthropic = tt.openai(), tt.anthropic()
    search()
    first = openai.chat.completions.create(model="chat", messages=asked)
    second = openai.chat.completions.create(model="chat", messages=asked)
    search()
    third = anthropic.messages.create(model="chat", max_tokens=99, messages=asked)
    search()
    stream = openai.chat.completions.create(model="chat", messages=asked, stream=True)
    last = [chunk.id for chunk in stream][-1]

tt.feedback(first, thumbs=1)
tt.feedback(first, thumbs=-1, comment="wrong refund window")
tt.clicked(third, "doc-77")
tt.annotate(stream, "resolved", score=1)
tt.feedback(second.id, score=4)
tt.flush(10.0)
print(json.dumps([first.id, second.id, third.id, last]))  # noqa: T201 -- for the test

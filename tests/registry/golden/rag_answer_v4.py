# Made by `trimtab prompts codegen` from rag-answer, major 4. Do not edit.

from trimtab.sdk.prompts import Field, PromptVars


class RagAnswerPrompt(
    PromptVars,
    prompt="rag-answer",
    major=4,
    shape="49a8fbc88ed90afa1c8d3c22f0ef39ab368bc12f19c0225a29d579563ba944d1",
):
    """Answer a user question using only the provided context. Always cite, and say "I
    do not know" where the context holds no answer.
    """

    context: str = Field(max_length=200000)
    question: str = Field(min_length=1)
    persona: str = "concise technical assistant"

# Made by `trimtab prompts codegen` from rag-answer, major 3. Do not edit.

from trimtab.sdk.prompts import PromptVars


class RagAnswerPrompt(
    PromptVars,
    prompt="rag-answer",
    major=3,
    shape="5134f9a1cf562d1ca3aa8d78f2b9be1eccb2c0fadfd568a4553482c85dc53404",
):
    """Answer a user question using only the provided context. Always cite."""

    context: str
    persona: str
    question: str

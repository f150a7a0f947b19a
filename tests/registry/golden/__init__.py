# Made by `trimtab prompts codegen`. Do not edit.

from .p2nd_order_form_v1 import P2ndOrderFormPrompt
from .rag_answer_v3 import RagAnswerPrompt as RagAnswerPromptV3
from .rag_answer_v4 import RagAnswerPrompt as RagAnswerPromptV4

__all__ = ["P2ndOrderFormPrompt", "RagAnswerPromptV3", "RagAnswerPromptV4"]

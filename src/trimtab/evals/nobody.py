"""The judge of a run that has none."""

from trimtab.evals.judging import Fault, Judge, JudgeError, Question, V


class Nobody:
    """See `Judge`; gives no verdict on anything."""

    async def ask(self, question: Question[V]) -> V:
        """See `Judge.ask`."""
        raise JudgeError(
            Fault.UNAVAILABLE, f"nobody judges {question.step}; name a model in `judge.model`"
        )


NOBODY: Judge = Nobody()

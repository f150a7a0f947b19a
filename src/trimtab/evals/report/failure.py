"""What is written when there is no verdict, because the gate itself could not run.

Imports nothing that could be what is missing.
"""

from trimtab.evals.report.plain import code, one_line

MOST_SENTENCE = 500


def sentence(error: BaseException) -> str:
    """Say in one line what went wrong."""
    text = one_line(str(error), MOST_SENTENCE)
    return text or type(error).__name__


def failed_section(what: str, error: BaseException) -> str:
    """Write the section of a summary for a suite that could not be judged."""
    return (
        f"## COULD NOT RUN {code(what)}\n\n"
        f"There is no verdict: {code(sentence(error), MOST_SENTENCE)}\n\n"
        "This is no PASS. Mend it, and run the gate again.\n"
    )

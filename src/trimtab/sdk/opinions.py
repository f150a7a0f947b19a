"""What users and the app say of an answer later. It is sent from behind, once each."""

import os
from collections.abc import Mapping
from typing import Literal

from trimtab.domain.errors import InvalidRequest
from trimtab.sdk.telemetry import current

REQUEST_ID = "x-trimtab-request-id"

_RANDOM_BYTES = 16


def feedback(
    answer: object,
    *,
    thumbs: Literal[-1, 1] | None = None,
    score: float | None = None,
    comment: str | None = None,
    name: str | None = None,
    label: str | None = None,
) -> None:
    """Tell what a user thinks of an answer. Said again under the same name, it is corrected.

    Args:
        answer: What the client gave, whole or as a stream, or a request id, `r_...`.
        thumbs: 1 or -1.
        score: A figure on a scale of your own, instead of thumbs.
        comment: What the user wrote; kept as the tenant's content is.
        name: What the score is of; `thumbs`, `score` or `comment` by default.
        label: A word instead of a figure.

    Raises:
        InvalidRequest: nothing is said, or two things, or of something that is no answer.
        SettingsInvalid: `init` was not called.
    """
    if thumbs is not None and score is not None:
        raise InvalidRequest("thumbs and score say the same; give one")
    given = {"thumbs": thumbs, "score": score, "comment": comment, "label": label}
    what = next((it for it, value in given.items() if value is not None), None)
    if what is None:
        raise InvalidRequest("no thumbs, score, label or comment is given; give one")
    told = score if thumbs is None else thumbs
    _tell(answer, kind="feedback", name=name or what, score=told, comment=comment, label=label)


def clicked(answer: object, doc_id: object) -> None:
    """Tell that a user opened a document that an answer was made from. Raises as `feedback`."""
    _tell(answer, kind="feedback", name="click", label=str(doc_id))


def annotate(
    answer: object, name: str, *, score: float | None = None, label: str | None = None
) -> None:
    """Tell what came of an answer, as the app saw it: `annotate(answer, "resolved", score=1)`.

    Raises as `feedback`.
    """
    _tell(answer, kind="outcome", name=name, score=score, label=label)


def _tell(answer: object, **said: str | float | None) -> None:
    told = {name: value for name, value in said.items() if value is not None}
    key = os.urandom(_RANDOM_BYTES).hex()
    current().feedback.put({**_about(answer), **told, "idempotency_key": key})


def _about(answer: object) -> Mapping[str, str]:
    """Tell which request gave an answer: what the gateway said of it, else the provider's id."""
    if isinstance(answer, str):
        return {"request_id" if answer.startswith("r_") else "response_id": answer}
    response = getattr(answer, "response", answer)
    headers: Mapping[str, str] = getattr(response, "headers", {})
    request_id = getattr(answer, "_request_id", None) or headers.get(REQUEST_ID)
    if isinstance(request_id, str) and request_id.startswith("r_"):
        return {"request_id": request_id}
    response_id = getattr(answer, "id", None)
    if isinstance(response_id, str):
        return {"response_id": response_id}
    raise InvalidRequest(
        f"{type(answer).__name__} is no answer; give what the client gave, or its request id"
    )

"""Writing a version: the plan first, then publishing it for ever."""

from starlette.responses import Response

from trimtab.console.auth import Right
from trimtab.console.base import Visit, see_other
from trimtab.console.prompts import path_of, sent_path
from trimtab.domain.errors import Forbidden, InvalidRequest, SettingsInvalid
from trimtab.registry.format import read_file
from trimtab.registry.labels import existing
from trimtab.registry.plan import Status, Step

EXAMPLE = """\
name: my-prompt
version: 1.0.0
description: Answer a question from what was found.
owner: my-team
variables:
  question: {type: string, maxLength: 2000, x-trust: user}
messages:
  - role: system
    content: Answer briefly.
  - role: user
    content: $question
"""
"""What the form of a new prompt begins with."""


async def ask(visit: Visit) -> Response:
    """Show the form: an example, or with `from` the file of a version."""
    ref = visit.query("from")
    file = EXAMPLE
    if ref:
        name, _, version = ref.partition("@")
        file = existing(await visit.console.registry.prompts(), name, version).file
    return _ask(visit, file, None)


async def send(visit: Visit) -> Response:
    """Plan a file, or publish it."""
    file = visit.form.get("file", "")
    try:
        step = await _planned(visit, file)
    except (InvalidRequest, SettingsInvalid) as exc:
        return _ask(visit, file, None, str(exc))
    if visit.form.get("act") != "publish" or step.status is Status.REFUSED:
        return _ask(visit, file, step)
    return await _publish(visit, file, step)


async def _planned(visit: Visit, file: str) -> Step:
    (step,) = await visit.console.registry.plan([read_file(file, sent_path("file"))])
    return step


async def _publish(visit: Visit, file: str, step: Step) -> Response:
    try:
        _, changes = await visit.console.registry.publish(
            [step.file],
            visit.by(visit.form.get("reason", "")),
            may_jinja=visit.may(Right.ADMINISTER),
        )
    except (InvalidRequest, SettingsInvalid, Forbidden) as exc:
        return _ask(visit, file, step, str(exc))
    done = f"?done={changes[0].seq}" if changes else ""
    return see_other(path_of(step.file.name, step.file.version) + done)


def _ask(visit: Visit, file: str, step: Step | None, problem: str = "") -> Response:
    refused = step is not None and step.status is Status.REFUSED
    context = {
        "file": file,
        "step": step,
        "refused": step.error if step is not None and refused else None,
        "is_same": step is not None and step.status is Status.SAME,
        "reason": visit.form.get("reason", ""),
        "from": visit.query("from"),
        "problem": problem,
    }
    return visit.page("prompt_edit.html", context, status=400 if problem or refused else 200)

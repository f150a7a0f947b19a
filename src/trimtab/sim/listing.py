"""`GET /v1/models`, in the shape of either provider."""

from typing import Any

from trimtab.sim.models import MODELS, RELEASE, RELEASED_S, Model, Task, find


def openai_list() -> dict[str, Any]:
    """List all models."""
    return {"object": "list", "data": [_openai(name) for name in MODELS]}


def openai_one(name: str) -> dict[str, Any] | None:
    """Describe one model; `None` if there is none of that name."""
    return None if find(name) is None else _openai(name)


def anthropic_list() -> dict[str, Any]:
    """List the models that write text."""
    data = [_anthropic(name, model) for name, model in MODELS.items() if model.task is Task.WRITE]
    return {
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"],
        "last_id": data[-1]["id"],
    }


def anthropic_one(name: str) -> dict[str, Any] | None:
    """Describe one model that writes text; `None` if there is none of that name."""
    served = find(name, Task.WRITE)
    return None if served is None else _anthropic(name, served.model)


def _openai(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": RELEASED_S, "owned_by": "trimtab-sim"}


def _anthropic(name: str, model: Model) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": f"Simulated {model.name}",
        "created_at": f"{RELEASE}T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": model.context,
    }

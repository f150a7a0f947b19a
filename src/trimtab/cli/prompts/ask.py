"""How a prompt is named on the command line, and what its commands have in common."""

import click
from semver import Version

from trimtab import wiring
from trimtab.cli.output import author
from trimtab.control.models import By
from trimtab.control.prompts import Prompts
from trimtab.domain.change import Source
from trimtab.domain.errors import InvalidRequest, PromptNotFound
from trimtab.domain.prompt import DEFAULT_SCOPE, PRODUCTION, PromptVersion
from trimtab.registry.labels import existing

label_option = click.option("--label", default=PRODUCTION, show_default=True, help="Which label.")
scope_option = click.option(
    "--scope",
    default=DEFAULT_SCOPE,
    show_default=True,
    help="For whom: default, tenant:ID, cohort:NAME or env:NAME.",
)
tenant_option = click.option("--tenant", help="As this tenant sees it.")


def by(reason: str) -> By:
    """Say who runs the command, and why."""
    return By(author(), Source.CLI, reason)


def exact(text: str) -> tuple[str, str]:
    """Read `name@version`. Raises `InvalidRequest`."""
    name, at, version = text.partition("@")
    if not at or not Version.is_valid(version):
        raise InvalidRequest(f"{text[:64]!r} names no version; write it as rag-answer@3.2.0")
    return name, version


def pointed(
    prompts: Prompts, text: str, *, tenant: str | None = None
) -> tuple[PromptVersion, str | None]:
    """Find what `name@version`, `name@label` or `name` means, and in which scope.

    Raises:
        PromptNotFound: there is none.
    """
    name, _, at = text.partition("@")
    if Version.is_valid(at):
        return existing(prompts, name, at), None
    label = at or PRODUCTION
    resolved = prompts.resolve(name, label, tenant=tenant, environment=wiring.environment())
    if resolved is None:
        if name not in prompts.versions:
            raise PromptNotFound(
                f"there is no prompt {name[:64]!r}; `trimtab prompts list` lists them"
            )
        raise PromptNotFound(
            f"label {label[:64]!r} of '{name}' points nowhere; name a version, or promote one"
        )
    scope, found = resolved
    return existing(prompts, name, found.label.version), scope

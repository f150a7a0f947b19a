"""Between identifying and admitting: a request that names a prompt gets its messages.

Which version it gets is decided by the snapshot of this instant, and stays decided for the whole
request, wherever it is tried.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from trimtab.control.prompts import Prompts
from trimtab.domain.errors import (
    InvalidRequest,
    PromptHashMismatch,
    PromptNotFound,
    VersionBlocked,
)
from trimtab.domain.ids import Entropy
from trimtab.domain.model import Wire
from trimtab.domain.prompt import PRODUCTION, PromptVersion
from trimtab.domain.record import PromptUse
from trimtab.domain.rendering import NONCE_BYTES, Compiled, Rendered
from trimtab.pipeline.handoff import Identified, PromptAsk, PromptSaid, Request
from trimtab.pipeline.written import MembersWith

EXACT, LABEL, BY_CLIENT = "exact version", "label", "rendered by the client"


@dataclass(frozen=True, slots=True)
class Compose:
    """Put the messages of a prompt into the requests that name one.

    Attributes:
        compiled: Makes a version ready to render.
        written: How rendered messages are written into the members of each wire.
        environment: Where this worker runs, for labels that point elsewhere there.
        is_stale: Whether what is known of the registry may be old.
    """

    compiled: Callable[[PromptVersion], Compiled]
    written: Mapping[Wire, MembersWith]
    environment: str
    entropy: Entropy
    is_stale: Callable[[], bool] = lambda: False

    def __call__(self, identified: Identified) -> tuple[Identified, PromptUse | None]:
        """Compose a request, and tell what it was composed of; `None` if it names no prompt.

        Raises:
            PromptNotFound: there is no such prompt or version, or the label points nowhere.
            VersionBlocked: the version may not be used any more.
            VersionCorrupt: the version is not what was published.
            PromptVariablesInvalid: a variable is missing, unknown or not of its schema.
            PromptHashMismatch: a client rendered something else than what is published.
            InvalidRequest: the messages fit no body of this wire, or nobody names a model.
        """
        request, prompts = identified.request, identified.snapshot.prompts
        if request.prompt is not None:
            return self._composed(identified, request.prompt)
        if request.rendered is not None:
            return identified, _vouched(prompts, request.rendered)
        return identified, None

    def _composed(
        self, identified: Identified, ask: PromptAsk
    ) -> tuple[Identified, PromptUse | None]:
        request, prompts = identified.request, identified.snapshot.prompts
        version, scope = self._chosen(prompts, ask, identified.grant.tenant.id)
        nonce = self.entropy(NONCE_BYTES)
        rendered = self.compiled(version).render(ask.variables, nonce=nonce)
        use = PromptUse(
            name=version.name,
            version=version.version,
            label=None if ask.version else ask.label or PRODUCTION,
            scope=scope,
            hash=version.hash,
            rendered_hash=rendered.rendered_hash,
            source="memory",
            reason=EXACT if ask.version else LABEL,
            nonce=nonce.hex(),
            stale=ask.version is None and self.is_stale(),
        )
        return replace(identified, request=self._with(request, rendered)), use

    def _chosen(
        self, prompts: Prompts, ask: PromptAsk, tenant: str
    ) -> tuple[PromptVersion, str | None]:
        if ask.version is not None:
            return found(prompts, ask.name, ask.version), None
        label = ask.label or PRODUCTION
        resolved = prompts.resolve(ask.name, label, tenant=tenant, environment=self.environment)
        if resolved is None:
            raise PromptNotFound(_nowhere(prompts, ask.name, label), param="prompt")
        scope, pointed = resolved
        return found(prompts, ask.name, pointed.label.version), scope

    def _with(self, request: Request, rendered: Rendered) -> Request:
        model = rendered.content.model
        name = request.model or (model.id if model is not None else None)
        if not name:
            raise InvalidRequest(
                f"`model` is missing, and prompt '{rendered.version.ref}' names none; add it",
                param="model",
            )
        members = self.written[request.wire](request.members, rendered)
        return replace(request, model=name, members=members, size=sum(map(len, members.values())))


def found(prompts: Prompts, name: str, version: str) -> PromptVersion:
    """Find a version that may be used.

    Raises:
        PromptNotFound: there is none. VersionBlocked: it may not be used any more.
    """
    there = prompts.find(name, version)
    if there is None:
        raise PromptNotFound(
            f"there is no prompt '{name[:64]}@{version[:64]}'; publish it with `trimtab prompts"
            " push`",
            param="prompt",
        )
    yank = prompts.yanked.get(there.ref)
    if yank is not None and yank.blocked:
        raise VersionBlocked(
            f"'{there.ref}' is yanked and blocked: {yank.reason}; use another version",
            param="prompt",
        )
    return there


def _vouched(prompts: Prompts, said: PromptSaid) -> PromptUse:
    """See that what a client says it rendered is what the registry has under that number."""
    version = found(prompts, said.name, said.version)
    if not version.hash.startswith(said.hash):
        raise PromptHashMismatch(
            f"the client rendered '{version.ref}' with hash {said.hash[:64]}, and the registry has"
            f" {version.short_hash} under that number; renew the client's copy",
            param="x-trimtab-prompt",
        )
    return PromptUse(
        name=version.name,
        version=version.version,
        label=said.label,
        hash=version.hash,
        source=said.source,
        reason=BY_CLIENT,
    )


def _nowhere(prompts: Prompts, name: str, label: str) -> str:
    if name not in prompts.versions:
        return f"there is no prompt {name[:64]!r}; publish it with `trimtab prompts push`"
    return (
        f"label {label[:64]!r} of prompt '{name}' points nowhere; point it at a version with"
        f" `trimtab prompts promote {name} VERSION --label {label[:64]}`"
    )

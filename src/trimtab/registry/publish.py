"""Publishing versions for ever, and taking them out of use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from trimtab.control.changes import Control
from trimtab.control.models import By
from trimtab.control.prompts import Prompts, prompts_in
from trimtab.control.snapshot import State
from trimtab.domain.change import Change, Draft, Pointer, PointerKind, canonical, read_reason
from trimtab.domain.clock import Clock
from trimtab.domain.errors import (
    Forbidden,
    InUse,
    InvalidRequest,
    SettingsInvalid,
)
from trimtab.domain.prompt import SHORT_HASH, Approval, Engine, Evidence, Place, Yank, digest
from trimtab.registry.format import PromptFile
from trimtab.registry.labels import Labels, existing
from trimtab.registry.plan import Origin, Status, Step, planned


@dataclass(frozen=True, slots=True)
class Registry:
    """Publishes versions and takes them out of use.

    Attributes:
        looks_secret: Whether a text holds what looks like a credential.
    """

    control: Control
    labels: Labels
    clock: Clock
    looks_secret: Callable[[str], bool]

    async def prompts(self) -> Prompts:
        """Give what is published now."""
        return prompts_in(await self.control.state())

    async def plan(
        self, files: Sequence[PromptFile], *, origin: Origin | None = None
    ) -> tuple[Step, ...]:
        """Tell what publishing some files would do; nothing is done."""
        return planned(await self.prompts(), files, self.looks_secret, origin)

    async def publish(
        self,
        files: Sequence[PromptFile],
        by: By,
        *,
        origin: Origin | None = None,
        may_jinja: bool = False,
    ) -> tuple[tuple[Step, ...], tuple[Change, ...]]:
        """Publish files, all or none; what is published already with that content stays.

        Args:
            files: What to publish.
            by: Who, from where and why.
            origin: Where the files come from.
            may_jinja: Whether who publishes may publish what runs in the sandbox: an admin.

        Raises:
            LintFailed, BumpTooSmall, VersionImmutable: why the first of them is refused.
            SettingsInvalid: a text of others cannot be filled in.
            Forbidden: engine `jinja`, and not an admin.
        """
        steps: tuple[Step, ...] = ()

        def decide(state: State) -> Sequence[Draft]:
            nonlocal steps
            steps = planned(prompts_in(state), files, self.looks_secret, origin)
            for step in steps:
                if step.error is not None:
                    raise step.error
                if step.file.content.engine is Engine.JINJA and not may_jinja:
                    raise Forbidden(
                        f"{step.file.path}: engine 'jinja' runs on the server; have an admin"
                        " publish it, or write it in template or mustache"
                    )
            return [
                _draft(PointerKind.PROMPT, step.version.ref, step.version, by)
                for step in steps
                if step.version is not None and step.status is Status.NEW
            ]

        changes = await self.control.decide(decide)
        return steps, changes

    async def yank(
        self, name: str, version: str, by: By, *, block: bool = False, and_rollback: bool = False
    ) -> tuple[Change, ...]:
        """Take a version out of use: no label may point at it; with `block` nobody may fetch it.

        Raises:
            PromptNotFound: there is none.
            InUse: labels point at it, and they shall not be moved back.
            NothingToRollBackTo: one of them cannot go back.
        """
        reason = read_reason(by.reason)
        seen: dict[Place, Sequence[Change]] = {}
        for place in (await self.prompts()).pointing_at(name, version):
            seen[place] = await self.labels.moves(place)

        def decide(state: State) -> Sequence[Draft]:
            prompts = prompts_in(state)
            found = existing(prompts, name, version)
            already = prompts.yanked.get(found.ref)
            if already is not None and already.blocked and not block:
                raise InUse(
                    f"'{found.ref}' is yanked and blocked: {already.reason}; `trimtab prompts"
                    f" unyank {found.ref}` first, if it may be fetched again"
                )
            held = tuple(prompts.pointing_at(name, version))
            if held and not and_rollback:
                raise InUse(
                    f"'{found.ref}' cannot be yanked: {', '.join(map(str, held))} point at it; move"
                    " them first, or say --and-rollback"
                )
            yanked = Yank(reason=reason, blocked=block)
            without = replace(prompts, yanked={**prompts.yanked, found.ref: yanked})
            backs = [self.labels.back(without, it, seen.get(it, ()), by) for it in held]
            return (*backs, _draft(PointerKind.YANK, found.ref, yanked, by))

        return await self.control.decide(decide)

    async def unyank(self, name: str, version: str, by: By) -> Change:
        """Put a version back into use. Raises `PromptNotFound`, `InvalidRequest`."""
        found = existing(await self.prompts(), name, version)
        change = await self.control.move(
            Pointer(PointerKind.YANK, found.ref),
            None,
            reason=by.reason,
            author=by.author,
            source=by.source,
        )
        if change is None:
            raise InvalidRequest(f"'{found.ref}' is not yanked; nothing was changed")
        return change

    async def approve(self, name: str, version: str, by: By) -> Change:
        """Say that a second person has read a version.

        Raises:
            PromptNotFound: there is none.
            Forbidden: who says so wrote it.
            SettingsInvalid: they have said so before.
        """
        prompts = await self.prompts()
        found = existing(prompts, name, version)
        if prompts.published[found.ref].author == by.author:
            raise Forbidden(
                f"{by.author!r} published '{found.ref}' and cannot approve it; ask somebody else"
            )
        approval = Approval(hash=found.hash, by=by.author)
        drafts = (_draft(PointerKind.APPROVAL, f"{found.ref}/{by.author}", approval, by),)
        return _one(
            await self.control.apply(drafts), f"{by.author!r} approved '{found.ref}' before"
        )

    async def add_evidence(self, evidence: Evidence, by: By) -> Change:
        """Attach what an evaluation found to the content it was about.

        Raises:
            InvalidRequest: nothing of that content is published.
        """
        prompts = await self.prompts()
        known = {it.hash for versions in prompts.versions.values() for it in versions.values()}
        if evidence.hash not in known:
            raise InvalidRequest(
                f"nothing published has hash {evidence.hash[:12]!r}; publish it first", param="hash"
            )
        name = f"{evidence.hash}/{digest(canonical(evidence).decode())[:SHORT_HASH]}"
        drafts = (_draft(PointerKind.EVIDENCE, name, evidence, by),)
        return _one(await self.control.apply(drafts), "that report was attached before")


def _draft(kind: PointerKind, name: str, value: object, by: By) -> Draft:
    return Draft(
        pointer=Pointer(kind, name),
        after=canonical(value),
        author=by.author,
        source=by.source,
        reason=read_reason(by.reason),
    )


def _one(changes: Sequence[Change], otherwise: str) -> Change:
    if not changes:
        raise SettingsInvalid(f"{otherwise}; nothing was changed")
    return changes[0]

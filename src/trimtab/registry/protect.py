"""What a protected label asks for, and whether a version has it. The same for people and keys."""

from collections.abc import Iterator

from semver import Version

from trimtab.control.prompts import Prompts
from trimtab.domain.errors import LabelProtected
from trimtab.domain.prompt import PromptVersion, Requirement

EVIDENCE_US = 30 * 86_400_000_000


def requirements(prompts: Prompts, version: PromptVersion, label: str) -> tuple[Requirement, ...]:
    """Name what a label asks of a version: what the site says, and what its own file adds."""
    asked = {*prompts.policy.protected.get(label, ()), *version.labels_policy.get(label, ())}
    return tuple(it for it in Requirement if it in asked)


def missing(
    prompts: Prompts, version: PromptVersion, label: str, *, mover: str, now_us: int
) -> tuple[str, ...]:
    """Tell, in words, what a version lacks before a label may have it."""
    return tuple(_missing(prompts, version, label, mover=mover, now_us=now_us))


def is_green(prompts: Prompts, version: PromptVersion, now_us: int) -> bool:
    """Whether an evaluation passed for exactly this content, lately and on all its datasets."""
    return any(
        it.passed
        and it.judge_valid
        and now_us - it.ts_us <= EVIDENCE_US
        and {*version.evals} <= {*it.datasets}
        for it in prompts.evidence.get(version.hash, ())
    )


def refuse_unfit(
    prompts: Prompts, version: PromptVersion, label: str, *, mover: str, now_us: int
) -> None:
    """Refuse a move that lacks what its label asks for. Raises `LabelProtected`."""
    lacks = missing(prompts, version, label, mover=mover, now_us=now_us)
    if lacks:
        asked = ", ".join(requirements(prompts, version, label)) or "a release"
        raise LabelProtected(
            f"label {label!r} requires {asked}. {' '.join(lacks)} An admin may say --override with"
            " a reason, and it stays marked"
        )


def _missing(
    prompts: Prompts, version: PromptVersion, label: str, *, mover: str, now_us: int
) -> Iterator[str]:
    if label in prompts.policy.protected and Version.parse(version.version).prerelease:
        yield f"'{version.ref}' is a pre-release, which no protected label takes."
    asked = requirements(prompts, version, label)
    if Requirement.EVAL in asked and not is_green(prompts, version, now_us):
        others = len(prompts.evidence.get(version.hash, ()))
        why = "what there is failed, is old or lacks a dataset" if others else "none"
        yield f"eval: {why} for {version.short_hash}; `trimtab prompts evidence` adds a report."
    if Requirement.REVIEW in asked:
        author = prompts.published[version.ref].author
        if not any(
            it.hash == version.hash and it.by not in (author, mover)
            for it in prompts.approvals.get(version.ref, ())
        ):
            yield (
                f"review: nobody but its author {author!r} and the mover {mover!r} has approved it;"
                f" `trimtab prompts approve {version.ref}`."
            )

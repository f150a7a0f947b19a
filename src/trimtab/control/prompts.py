"""What is published and where labels point, as one immutable view; every look-up is a few dicts."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec.structs import replace
from semver import Version

from trimtab.domain.change import Change, Pointer, PointerKind, canonical
from trimtab.domain.errors import LabelProtected
from trimtab.domain.prompt import (
    DEFAULT_SCOPE,
    Approval,
    Evidence,
    Label,
    Place,
    PromptVersion,
    RegistryPolicy,
    Yank,
)

POLICY = "policy"
TENANT, COHORT, ENVIRONMENT = "tenant:", "cohort:", "env:"
TIER_COHORT = "tier-"


class Entry(Protocol):
    """Where a pointer stands."""

    @property
    def change(self) -> Change:
        """The change that moved it last."""
        ...

    @property
    def value(self) -> Any:  # noqa: ANN401 -- by the pointer's kind
        """Its value."""
        ...


class Pointed(NamedTuple):
    """A label in one scope: where it points, and the change that moved it there."""

    label: Label
    change: Change


class Rung(NamedTuple):
    """One step of the ladder from the most specific scope to `default`."""

    scope: str
    pointed: Pointed | None


@dataclass(frozen=True, slots=True)
class Prompts:
    """The registry at one sequence number.

    Attributes:
        versions: By name and number, oldest number first.
        published: The change that published each, by `name@version`.
        labels: By name, label and scope.
        yanked: By `name@version`.
        approvals: By `name@version`.
        evidence: By the hash of the content it is about.
        tiers: The tier of each tenant.
    """

    policy: RegistryPolicy = field(default_factory=RegistryPolicy)
    versions: Mapping[str, dict[str, PromptVersion]] = field(
        default_factory=dict[str, dict[str, PromptVersion]]
    )
    published: Mapping[str, Change] = field(default_factory=dict[str, Change])
    labels: Mapping[str, Mapping[str, Mapping[str, Pointed]]] = field(
        default_factory=dict[str, Mapping[str, Mapping[str, Pointed]]]
    )
    yanked: Mapping[str, Yank] = field(default_factory=dict[str, Yank])
    approvals: Mapping[str, tuple[Approval, ...]] = field(
        default_factory=dict[str, tuple[Approval, ...]]
    )
    evidence: Mapping[str, tuple[Evidence, ...]] = field(
        default_factory=dict[str, tuple[Evidence, ...]]
    )
    tiers: Mapping[str, str] = field(default_factory=dict[str, str])

    def find(self, name: str, version: str) -> PromptVersion | None:
        """Find a version by its number."""
        return self.versions.get(name, {}).get(version)

    def newest(self, name: str) -> PromptVersion | None:
        """Give the version of a prompt with the highest number."""
        versions = self.versions.get(name)
        return None if versions is None else versions[next(reversed(versions))]

    def scopes(self, tenant: str | None, environment: str | None) -> Iterator[str]:
        """Name the scopes that a caller is in, the most specific first."""
        if tenant is not None:
            yield TENANT + tenant
            for cohort in self.policy.cohorts:
                if tenant in cohort.tenants:
                    yield COHORT + cohort.name
            if tenant in self.tiers:
                yield f"{COHORT}{TIER_COHORT}{self.tiers[tenant]}"
        if environment is not None:
            yield ENVIRONMENT + environment
        yield DEFAULT_SCOPE

    def ladder(
        self, name: str, label: str, *, tenant: str | None = None, environment: str | None = None
    ) -> tuple[Rung, ...]:
        """Tell where a label points in every scope a caller is in; the first that points wins."""
        scoped = self.labels.get(name, {}).get(label, {})
        return tuple(Rung(it, scoped.get(it)) for it in self.scopes(tenant, environment))

    def resolve(
        self, name: str, label: str, *, tenant: str | None = None, environment: str | None = None
    ) -> tuple[str, Pointed] | None:
        """Find the scope in which a label of a caller points, and where it points."""
        scoped = self.labels.get(name, {}).get(label)
        if scoped is None:
            return None
        if len(scoped) == 1 and DEFAULT_SCOPE in scoped:
            return DEFAULT_SCOPE, scoped[DEFAULT_SCOPE]
        for scope in self.scopes(tenant, environment):
            pointed = scoped.get(scope)
            if pointed is not None:
                return scope, pointed
        return None

    def is_protected(self, label: str, version: PromptVersion | None) -> bool:
        """Whether a label asks anything of a version: what the site says, and the file of it."""
        own = None if version is None else version.labels_policy.get(label)
        return label in self.policy.protected or bool(own)

    def at(self, place: Place) -> Pointed | None:
        """Find where a label points in one scope."""
        return self.labels.get(place.name, {}).get(place.label, {}).get(place.scope)

    def pointing_at(self, name: str, version: str) -> Iterator[Place]:
        """Find the labels that point at a version."""
        for label, scoped in self.labels.get(name, {}).items():
            for scope, pointed in scoped.items():
                if pointed.label.version == version:
                    yield Place(name, label, scope)


NO_PROMPTS = Prompts()


def pointer_of(place: Place) -> Pointer:
    """Name the pointer of a label in a scope."""
    return Pointer(PointerKind.LABEL, str(place))


def is_step_back(change: Change) -> bool:
    """Whether a change took a label back, so that undoing it would move forwards."""
    if change.pointer.kind is not PointerKind.LABEL or change.after is None:
        return False
    return msgspec.json.decode(change.after, type=Label).rolled_back


def may_be_undone(change: Change) -> bool:
    """Whether undo is the way back: of what is final there is none, of a step back, a promotion."""
    return not change.pointer.kind.is_final and not is_step_back(change)


def taken_back(prompts: Prompts, done: Change) -> bytes | None:
    """Give what undoes a move of a label: a step back, or forwards again if it was one back.

    Raises:
        LabelProtected: it would go forwards, and the label asks for something first.
    """
    if done.before is None or done.after is None:
        return done.before
    was, now = (msgspec.json.decode(it, type=Label) for it in (done.before, done.after))
    name, label, scope = done.pointer.name.split("/", 2)
    if now.rolled_back and prompts.is_protected(label, prompts.find(name, was.version)):
        raise LabelProtected(
            f"label {label!r} is protected, and undoing a rollback moves it forwards; use `trimtab"
            f" prompts promote {name} {was.version} --label {label} --scope {scope}`, which asks"
            " for what it requires"
        )
    return canonical(replace(was, rolled_back=not now.rolled_back))


def prompts_in(state: Mapping[Pointer, Entry]) -> Prompts:
    """Build the view of a state."""
    kinds: defaultdict[PointerKind, dict[str, Entry]] = defaultdict(dict)
    for pointer, entry in state.items():
        kinds[pointer.kind][pointer.name] = entry
    policy = kinds[PointerKind.REGISTRY].get(POLICY)
    labels: defaultdict[str, defaultdict[str, dict[str, Pointed]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for written, entry in kinds[PointerKind.LABEL].items():
        name, label, scope = written.split("/", 2)
        labels[name][label][scope] = Pointed(entry.value, entry.change)
    published = kinds[PointerKind.PROMPT]
    return Prompts(
        policy=policy.value if policy else RegistryPolicy(),
        versions=_by_number(entry.value for entry in published.values()),
        published={ref: entry.change for ref, entry in published.items()},
        labels=labels,
        yanked={ref: entry.value for ref, entry in kinds[PointerKind.YANK].items()},
        approvals=_grouped(kinds[PointerKind.APPROVAL]),
        evidence=_grouped(kinds[PointerKind.EVIDENCE]),
        tiers={name: entry.value.tier for name, entry in kinds[PointerKind.TENANT].items()},
    )


def _by_number(versions: Iterator[PromptVersion]) -> Mapping[str, dict[str, PromptVersion]]:
    ordered = sorted(versions, key=lambda it: Version.parse(it.version))
    found: defaultdict[str, dict[str, PromptVersion]] = defaultdict(dict)
    for version in ordered:
        found[version.name][version.version] = version
    return found


def _grouped(entries: Mapping[str, Entry]) -> Mapping[str, tuple[Any, ...]]:
    """Collect values by what their names begin with, before the slash."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for name, entry in entries.items():
        found[name.partition("/")[0]].append(entry.value)
    return {name: tuple(values) for name, values in found.items()}

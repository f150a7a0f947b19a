"""The section `models`: where a name leads, how often it is tried, and what it falls back to."""

import re
from collections.abc import Mapping

from trimtab.domain.model import (
    MOST_WEIGHT,
    RETRIED,
    AfterFirstToken,
    Fallback,
    Model,
    ModelKind,
    Retry,
    Share,
    Target,
    Timeouts,
    WhenUntranslatable,
    read_target,
    undated,
)
from trimtab.domain.yaml_tree import Faults, Items, Members, Node, Wrong
from trimtab.settings.fields import (
    Read,
    count,
    day,
    duration,
    members,
    one_of,
    scalar,
    text,
    texts,
)

MOST_PER_TARGET, MOST_IN_ALL, LONGEST_WAIT_S = 10, 20, 120.0

_WEIGHT = re.compile(r"\d{1,7}")


def read_model(called: str, node: Node, faults: Faults) -> Model | None:
    """Read one model. A freezer is pinned to dated targets, or says why not."""
    given = members(node, faults, _MODEL, frozenset({"kind", "to"}))
    if given is None:
        return None
    shares: tuple[Share, ...] = given.pop("to")
    if "review_by" in given:
        given["review_by"] = given["review_by"].isoformat()
    first = max(shares, key=lambda share: share.weight)
    several = shares if len(shares) > 1 else ()
    model = Model(name=called, to=first.target, shares=several, **given)
    for name in undated(model):
        faults.add(
            f"{node.path}.to",
            f"a freezer is pinned to a dated model, and {name!r} has no date; name"
            " a dated one, or say why not in `undated_ok`",
        )
    if model.kind is not ModelKind.FREEZER:
        for member in ("review_by", "undated_ok"):
            if member in given:
                faults.add(f"{node.path}.{member}", "is for freezers; remove it from this alias")
    return model


def _to(node: Node, faults: Faults) -> tuple[Share, ...]:
    """Read one target, or a map from targets to weights."""
    if not isinstance(node, Members):
        return (Share(_target(text(node, faults)), 1),)
    shares = tuple(
        Share(_target(written), _weight(member)) for written, member in node.members.items()
    )
    if not any(share.weight for share in shares):
        raise Wrong("has no weight above 0; write {provider/model: 90, other/model: 10}")
    return shares


def _target(written: str) -> Target:
    target = read_target(written)
    if target is None:
        raise Wrong(f"{written!r} is no target; write provider/model")
    return target


def _weight(node: Node) -> int:
    written = scalar(node).text
    if not _WEIGHT.fullmatch(written) or int(written) > MOST_WEIGHT:
        raise Wrong(f"{written!r} is no weight; write a whole number of 0 to {MOST_WEIGHT}")
    return int(written)


def _up_to(most: int) -> Read:
    def read(node: Node, faults: Faults) -> int:
        number = count(node, faults)
        if number > most:
            raise Wrong(f"{number} is above {most}; write less")
        return number

    return read


def _wait(node: Node, faults: Faults) -> float:
    wait_s = duration(node, faults)
    if wait_s > LONGEST_WAIT_S:
        raise Wrong(f"is longer than {LONGEST_WAIT_S:g} s; write less")
    return wait_s


def _causes(node: Node, _faults: Faults) -> tuple[str, ...]:
    if not isinstance(node, Items):
        raise Wrong("is not a list; write [connect, timeout, 503]")
    causes = {scalar(item).text for item in node.items}
    unknown = sorted(causes.difference(RETRIED))
    if unknown:
        raise Wrong(f"{unknown[0]!r} is never tried again; there is {', '.join(RETRIED)}")
    return tuple(cause for cause in RETRIED if cause in causes)


_TIMEOUTS: Mapping[str, Read] = dict.fromkeys(Timeouts.__struct_fields__, duration)
_RETRY: Mapping[str, Read] = {
    "per_target": _up_to(MOST_PER_TARGET),
    "in_all": _up_to(MOST_IN_ALL),
    "when": _causes,
    "wait_at_most": _wait,
}
_FALLBACK: Mapping[str, Read] = {
    **dict.fromkeys(Fallback.__struct_fields__, texts),
    "after_first_token": one_of(AfterFirstToken),
}
_MODEL: Mapping[str, Read] = {
    "kind": one_of((ModelKind.ALIAS, ModelKind.FREEZER)),
    "to": _to,
    "timeouts": lambda node, faults: Timeouts(**members(node, faults, _TIMEOUTS) or {}),
    "retry": lambda node, faults: Retry(**members(node, faults, _RETRY) or {}),
    "fallback": lambda node, faults: Fallback(**members(node, faults, _FALLBACK) or {}),
    "review_by": day,
    "undated_ok": text,
    "when_untranslatable": one_of(WhenUntranslatable),
}

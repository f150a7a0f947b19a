"""Names in one section that another section must declare."""

from collections.abc import Iterable, Iterator, Mapping

from trimtab.domain.tenant import ANY_TENANT
from trimtab.domain.yaml_tree import Faults, Items, Members, Node, Scalar, nearest, plain_value
from trimtab.settings.secrets import looks_secret


def check_references(top: Members, faults: Faults) -> None:
    """Note every name that nothing declares. What is declared wrongly counts as declared."""
    providers, models, tiers, tenants = (
        _members(top.members.get(section))
        for section in ("providers", "models", "tiers", "tenants")
    )
    keys = tuple(_items(top.members.get("keys")))
    _check_models(providers, models, faults)
    for owner in (*tiers.values(), *tenants.values(), *keys):
        for model in _items(_member(owner, "models")):
            _expect_model(model, providers, models, faults)
    for model in _judges(top):
        _expect_model(model, providers, models, faults)
    _check_billed(top, providers, faults)
    for tier in _texts(tenants.values(), "tier"):
        _expect(tier, "tier", tier.text, tiers, faults)
    for tier in _texts(keys, "new_tenant_tier"):
        _expect(tier, "tier", tier.text, tiers, faults)
    for tenant in (*_texts(keys, "tenant"), *_acted_for(keys)):
        _expect(tenant, "tenant", tenant.text, tenants, faults)


def _check_billed(top: Members, providers: Mapping[str, Node], faults: Faults) -> None:
    billed = _members(_member(top, "reconcile")).get("providers")
    for name, billing in _members(billed).items():
        if name not in providers:
            message = f"provider {name!r} is not in the file; {nearest(name, providers)}"
            faults.add(billing.path, message, billing.line)


def _judges(top: Members) -> Iterator[Node]:
    online = _members(_members(top.members.get("evals")).get("online"))
    judge = _members(online.get("judge"))
    yield from (judge[name] for name in ("model", "embeddings") if name in judge)


def _check_models(
    providers: Mapping[str, Node], models: Mapping[str, Node], faults: Faults
) -> None:
    for target in _texts(models.values(), "to"):
        _expect(target, "provider", target.text.partition("/")[0], providers, faults)
    for model in models.values():
        for weight, name in _weighted(model):
            _expect(weight, "provider", name.partition("/")[0], providers, faults)
        for name in _fallbacks(model):
            _expect_model(name, providers, models, faults)


def _weighted(model: Node) -> Iterator[tuple[Scalar, str]]:
    for target, weight in _members(_member(model, "to")).items():
        if isinstance(weight, Scalar):
            yield weight, target


def _fallbacks(model: Node) -> Iterator[Node]:
    for names in _members(_member(model, "fallback")).values():
        yield from _items(names)


def _acted_for(keys: Iterable[Node]) -> Iterator[Scalar]:
    """Find the tenants that keys act for, and that must be there since the key makes none."""
    for key in keys:
        if _member(key, "new_tenant_tier") is None:
            for tenant in _items(_member(key, "act_for")):
                if isinstance(tenant, Scalar) and tenant.text != ANY_TENANT:
                    yield tenant


def _expect_model(
    name: Node, providers: Mapping[str, Node], models: Mapping[str, Node], faults: Faults
) -> None:
    """A model is one of the file, or `provider/model`, or `provider/*` for all of a provider."""
    if not isinstance(name, Scalar):
        return
    provider, slash, _ = name.text.partition("/")
    if slash:
        _expect(name, "provider", provider, providers, faults)
    else:
        _expect(name, "model", name.text, models, faults)


def _expect(at: Scalar, noun: str, name: str, declared: Mapping[str, Node], faults: Faults) -> None:
    is_text = not at.plain or isinstance(plain_value(at.text), str)
    if name and is_text and name not in declared and not looks_secret(at.text):
        faults.add(
            at.path, f"{noun} {name!r} is not in the file; {nearest(name, declared)}", at.line
        )


def _members(node: Node | None) -> Mapping[str, Node]:
    return node.members if isinstance(node, Members) else {}


def _member(node: Node, name: str) -> Node | None:
    return _members(node).get(name)


def _texts(nodes: Iterable[Node], name: str) -> Iterator[Scalar]:
    """Find a member in each of many maps, where it is a single value."""
    for node in nodes:
        found = _member(node, name)
        if isinstance(found, Scalar):
            yield found


def _items(node: Node | None) -> Iterator[Node]:
    yield from node.items if isinstance(node, Items) else ()

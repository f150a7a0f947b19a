"""Stage 2: fix the targets the request will be tried on, and never others."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from trimtab.domain.errors import (
    FieldNotAllowed,
    ModelNotFound,
    PriceUnknown,
    TrimtabError,
    UnsupportedByTarget,
)
from trimtab.domain.model import (
    Fallback,
    Model,
    Provider,
    ProviderWire,
    Target,
    WhenUntranslatable,
    Wire,
)
from trimtab.pipeline.handoff import Admitted, Planned, Request, Route
from trimtab.pipeline.recall import Made
from trimtab.pipeline.switch import refusal
from trimtab.providers.base import Adapter, Loss

MOST_DROPPED = 32

_NO_FALLBACK = Fallback()
_SPOKEN = {wire: f"on the {wire.value} wire" for wire in ProviderWire} | {
    ProviderWire.LITELLM: "by chat completions, messages or embeddings"
}
_PLACE = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Plan:
    """Resolve the model's name to routes.

    Attributes:
        adapters: Who speaks for callers of a wire to providers of a wire.
        priced: Whether a target has a price at an instant, for a tenant.
        reject_unpriced: Whether a model without a price may not be called.
    """

    adapters: Mapping[tuple[Wire, ProviderWire], Adapter]
    priced: Callable[[Provider, Target, int, str], bool]
    reject_unpriced: bool

    def __call__(self, admitted: Admitted, made: Made | None = None) -> Planned:
        """Plan an admitted request. What cannot do what it asks is left out.

        What goes on from an earlier answer goes to who `made` that one, and nowhere else.

        Raises:
            ModelSuspended: the kill switch of the model or its provider is on.
            ModelNotFound: the model leads to a provider that is gone.
            UnsupportedByTarget: the provider cannot be asked what the caller asks, or does not
                have the earlier answer.
            FieldNotAllowed: the provider may not be sent what a beta header asks for.
            InvalidRequest: the request has to be translated and cannot be read.
            PriceUnknown: nobody can say what the target costs, and that is not allowed.
        """
        model = admitted.model
        stopped = admitted.snapshot.model_stopped(model.name, admitted.request.ts_us)
        if stopped is not None:
            raise refusal(stopped)
        if made is not None:
            return Planned(admitted, model, (self._route(admitted, _pinned(model, made)),))
        try:
            return self._plan(admitted, model)
        except UnsupportedByTarget:
            if admitted.request.wire is not Wire.ANTHROPIC_COUNT_TOKENS:
                raise
            return Planned(admitted, model, ())

    def _plan(self, admitted: Admitted, model: Model) -> Planned:
        if not model.shares and model.fallback == _NO_FALLBACK:
            return Planned(admitted, model, (self._route(admitted, model.to),))
        fallback, skipped = model.fallback, _Skipped()
        first = _by_turn(model, admitted.request.request_id)
        rest = _targets(admitted, fallback.when_error, skipped)
        routes = self._routes(admitted, (*first, *rest), skipped)
        if not routes:
            raise skipped.errors[0]
        limited = fallback.when_rate_limited
        return Planned(
            admitted,
            model,
            routes,
            None if limited is None else self._named(admitted, limited, skipped),
            self._named(admitted, fallback.when_context_too_long, skipped),
            self._named(admitted, fallback.when_refused, skipped),
            tuple(skipped.told),
        )

    def _named(
        self, admitted: Admitted, names: Iterable[str], skipped: "_Skipped"
    ) -> tuple[Route, ...]:
        return self._routes(admitted, _targets(admitted, names, skipped), skipped)

    def _routes(
        self, admitted: Admitted, targets: Iterable[Target], skipped: "_Skipped"
    ) -> tuple[Route, ...]:
        routes: list[Route] = []
        for target in targets:
            try:
                routes.append(self._route(admitted, target))
            except TrimtabError as error:
                skipped.add(target, error)
        return tuple(routes)

    def _route(self, admitted: Admitted, target: Target) -> Route:
        model, request = admitted.model, admitted.request
        provider = admitted.snapshot.providers.get(target.provider)
        if provider is None:
            raise ModelNotFound(
                f"model {model.name!r} leads to provider {target.provider!r}, which is not"
                " configured; run `trimtab check`"
            )
        stopped = admitted.snapshot.target_stopped(target, request.ts_us)
        if stopped is not None:
            raise refusal(stopped)
        adapter = self.adapters.get((request.wire, provider.wire))
        if adapter is None:
            raise UnsupportedByTarget(
                f"provider {provider.name!r} does not speak {request.wire.value};"
                f" call {model.name!r} {_SPOKEN[provider.wire]}"
            )
        at = provider, target, request.ts_us, admitted.grant.tenant.id
        unpriced = not request.wire.is_free and not self.priced(*at)
        if unpriced and self.reject_unpriced:
            raise PriceUnknown(
                f"target '{target}' has no price; add it under `prices.overrides`, or set"
                " `prices.unknown_model: meter_unknown`"
            )
        if request.betas:
            _check_betas(request, provider, adapter)
        losses = adapter.losses(request.members)
        if not losses:
            return Route(target, provider, adapter)
        return Route(target, provider, adapter, dropped=_dropped(losses, model, target))


def _check_betas(request: Request, provider: Provider, adapter: Adapter) -> None:
    """A header of one wire means nothing on the other."""
    allowed = provider.betas if adapter.wire is request.wire else ()
    header = "anthropic-beta" if request.wire.is_anthropic else "openai-beta"
    for beta in request.betas:
        if beta not in allowed:
            raise FieldNotAllowed(
                f"{beta!r} in header {header!r} is not allowed at provider {provider.name!r};"
                " leave it out, or add it to `betas` of the provider",
                param=header,
            )


def _pinned(model: Model, made: Made) -> Target:
    """Find the target that has the earlier answer: a model may have been moved since.

    Under another name it must be one that the name leads to, for a key may be kept from others.
    """
    if made.model == model.name:
        return made.target
    for target in model.targets:
        if target.provider == made.target.provider:
            return target
    raise UnsupportedByTarget(
        f"model {model.name!r} does not lead to provider {made.target.provider!r}, which has the"
        f" previous response; call {made.model!r}, or send the conversation itself",
        param="previous_response_id",
    )


class _Skipped:
    """Targets that are left out, and why."""

    def __init__(self) -> None:
        self.errors: list[TrimtabError] = []
        self.told: list[tuple[str, str]] = []

    def add(self, target: Target, error: TrimtabError) -> None:
        self.errors.append(error)
        self.told.append((str(target), error.code))


def _dropped(losses: Sequence[Loss], model: Model, target: Target) -> tuple[str, ...]:
    """Name what the target is asked without: each kind of member once, wherever it is."""
    for loss in losses:
        if not loss.hint and model.when_untranslatable is WhenUntranslatable.REFUSE:
            raise UnsupportedByTarget(
                f"target '{target}' has no equal of `{loss.name}`; leave it out, or set"
                f" `when_untranslatable: drop` on model {model.name!r}",
                param=loss.name,
            )
    kinds = tuple(dict.fromkeys(_PLACE.sub("[]", loss.name) for loss in losses))
    return kinds if len(kinds) <= MOST_DROPPED else (*kinds[:MOST_DROPPED], "...")


def _targets(admitted: Admitted, names: Iterable[str], skipped: _Skipped) -> Iterator[Target]:
    """Find the targets of names; each name leads to its own target only, so no name can loop."""
    for name in names:
        model = admitted.snapshot.model(name)
        if model is None:
            continue
        stopped = admitted.snapshot.model_stopped(model.name, admitted.request.ts_us)
        if stopped is None:
            yield model.to
        else:
            skipped.add(model.to, refusal(stopped))


def _by_turn(model: Model, request_id: str) -> tuple[Target, ...]:
    """Draw the target by weight, the same one whenever the request is looked at; then the others.

    A weight of zero takes no request, and is there for when the others fail.
    """
    if not model.shares:
        return (model.to,)
    at = crc32(request_id.encode()) / 2**32 * sum(share.weight for share in model.shares)
    for chosen in model.shares:
        at -= chosen.weight
        if at < 0:
            rest = sorted(model.shares, key=lambda share: -share.weight)
            return (chosen.target, *(it.target for it in rest if it is not chosen))
    return (model.to,)

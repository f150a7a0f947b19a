"""Stage 2: fix the targets the request will be tried on, and never others."""

from collections.abc import Callable
from dataclasses import dataclass

from trimtab.domain.errors import ModelNotFound, PriceUnknown, UnsupportedByTarget
from trimtab.domain.model import Provider, ProviderWire, Target, Wire
from trimtab.pipeline.handoff import Admitted, Planned, Route

_SPOKEN = {
    ProviderWire.CALLER: frozenset(Wire),
    ProviderWire.OPENAI: frozenset({Wire.OPENAI_CHAT}),
    ProviderWire.ANTHROPIC: frozenset({Wire.ANTHROPIC_MESSAGES}),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Resolve the model's name to routes.

    Attributes:
        priced: Whether a target has a price at an instant.
        reject_unpriced: Whether a model without a price may not be called.
    """

    priced: Callable[[Provider, Target, int], bool]
    reject_unpriced: bool

    def __call__(self, admitted: Admitted) -> Planned:
        """Plan an admitted request.

        Raises:
            ModelNotFound: the model leads to a provider that is gone.
            UnsupportedByTarget: the provider does not speak the caller's wire.
            PriceUnknown: nobody can say what the target costs, and that is not allowed.
        """
        model = admitted.model
        provider = admitted.snapshot.providers.get(model.to.provider)
        if provider is None:
            raise ModelNotFound(
                f"model {model.name!r} leads to provider {model.to.provider!r}, which is not"
                " configured; run `trimtab check`"
            )
        request = admitted.request
        if request.wire not in _SPOKEN[provider.wire]:
            raise UnsupportedByTarget(
                f"provider {provider.name!r} does not speak {request.wire.value};"
                f" call {model.name!r} on the {provider.wire.value} wire"
            )
        target = Target(model.to.provider, model.to.model)
        if self.reject_unpriced and not self.priced(provider, target, request.ts_us):
            raise PriceUnknown(
                f"target '{target}' has no price; add it under `prices.overrides`, or set"
                " `prices.unknown_model: meter_unknown`"
            )
        return Planned(admitted, model, (Route(target, provider),))

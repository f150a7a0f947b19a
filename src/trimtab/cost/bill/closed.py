"""Which months of a tenant are closed, as the change log has it."""

from trimtab.control.snapshot import State
from trimtab.domain.billing import Closing
from trimtab.domain.change import PointerKind


def closings(state: State, tenant: str) -> list[Closing]:
    """List the closed bills of a tenant, the oldest month first."""
    values = [it.value for pointer, it in state.items() if pointer.kind is PointerKind.BILL]
    found = [it for it in values if isinstance(it, Closing) and it.tenant == tenant]
    return sorted(found, key=lambda it: it.month)

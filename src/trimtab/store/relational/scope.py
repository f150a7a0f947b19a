"""What an erasure is about, in the words of every engine."""

from collections.abc import Mapping
from typing import Any

from trimtab.domain.erasure import Erasure, ErasureScope


def scoped(sql: str, scope: ErasureScope) -> str:
    """Write the condition on a record that it is of a scope, where `/*of*/` stands for it."""
    of_all = "TRUE" if is_tenant(scope) else "FALSE"
    return sql.replace("/*of*/", _condition(scope)).replace("/*of_all*/", of_all)


def is_tenant(scope: ErasureScope) -> bool:
    """Whether a scope is a tenant, with all that it ever said."""
    return bool(scope.tenant_id) and not (scope.user_hash or scope.request_id)


def values_of(erasure: Erasure) -> Mapping[str, Any]:
    """Give the values that statements about an erasure need."""
    scope = erasure.scope
    return {
        "of_tenant": scope.tenant_id,
        "of_user": scope.user_hash,
        "of_request": scope.request_id,
        "until_us": erasure.until_us,
    }


def _condition(scope: ErasureScope) -> str:
    # Never unknown, for survivors are those that it is not true of.
    terms = {
        "tenant_id = :of_tenant": scope.tenant_id,
        "(user_hash = :of_user AND user_hash IS NOT NULL)": scope.user_hash,
        (
            "(request_id = :of_request"
            " OR origin_request_id = :of_request AND origin_request_id IS NOT NULL)"
        ): scope.request_id,
    }
    return " AND ".join(term for term, value in terms.items() if value) or "FALSE"

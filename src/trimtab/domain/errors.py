"""Every error Trimtab raises on purpose.

    TrimtabError
    ├── Refused                  understood and denied; unchanged, it will be denied again
    │   ├── InvalidRequest       the request is malformed; fix it
    │   ├── FieldNotAllowed      a member or header asks for what must be allowed first
    │   ├── Unsupported          Trimtab does not serve this
    │   ├── UnsupportedByTarget  the target cannot do what is asked
    │   ├── BodyTooLarge
    │   ├── RequestTimedOut      the body did not arrive in time
    │   ├── Unauthenticated      the key is missing, malformed or unknown
    │   ├── KeyRevoked
    │   ├── KeyExpired
    │   ├── TenantSuspended      the tenant, or the part of it that asks
    │   ├── TenantNotAllowed     the key is not good for the tenant that is named
    │   ├── ModelNotAllowed
    │   ├── ModelSuspended       the model, or every provider it leads to
    │   ├── ModelNotFound
    │   ├── PriceUnknown
    │   ├── MaximumUnknown       a strict budget, and nobody knows how much it can cost
    │   ├── BudgetExhausted
    │   ├── BudgetUnreachable    it could cost more than the whole budget
    │   ├── ContentBlocked
    │   ├── PromptAmbiguous      a prompt is named in two ways, or beside what it renders
    │   ├── PromptVariablesInvalid
    │   ├── PromptHashMismatch   what was rendered is not what the registry has
    │   ├── PromptShapeError     the wrapper in the code was made for another shape
    │   ├── VersionBlocked       the version was yanked, and may not be fetched any more
    │   ├── NotAPlainTemplate    the seed's client could not render it
    │   ├── PreconditionRequired
    │   ├── IdempotencyDone      a request of that key was carried out, and has no answer to give
    │   ├── IdempotencyMismatch  a request of that key asked for something else
    │   ├── LegalHoldActive      the record is kept for a case
    │   ├── Forbidden            the actor is known and may not do this
    │   └── NotFound
    │       ├── RecordNotFound
    │       ├── RecordErased
    │       ├── ContentExpired   the record is there, what was said is not
    │       ├── PromptNotFound
    │       └── NotAVersion      a label stands where a version must
    ├── TryLater                 the same request may pass after a while
    │   ├── RateLimited
    │   ├── ParallelLimited
    │   ├── BudgetHeld           there is room once running requests are settled
    │   ├── LimitsUnavailable
    │   ├── IdempotencyInFlight  a request of that key still runs
    │   ├── RecorderUnavailable
    │   ├── ControlUnavailable
    │   ├── PromptUnavailable    neither memory, registry, disk nor lock file has the prompt
    │   └── Draining
    ├── UpstreamFailed           the provider did not give an answer
    │   ├── ProviderError
    │   ├── ProviderBadOutput
    │   ├── ProviderAuth
    │   ├── ProviderRateLimited
    │   ├── ProviderOverloaded
    │   ├── ProviderTimeout
    │   ├── DeadlineExceeded     the caller's own time is up
    │   ├── ProviderRefused      a 4xx of the provider, relayed as it is
    │   ├── ModelRefused         the model will not answer; the next may
    │   ├── StreamTruncated      cut after the first token
    │   └── StreamStalled        silent after the first token
    ├── SettingsInvalid          a file or command cannot be carried out as written
    │   ├── ChangeConflict       somebody else moved the pointer first
    │   ├── SchemaTooNew         a newer program wrote the database
    │   ├── LintFailed           a prompt breaks a rule of the registry
    │   ├── BumpTooSmall         a version's number promises more than its text keeps
    │   ├── VersionImmutable     that number is published, with another content
    │   ├── InUse                a label points at the version
    │   ├── LabelProtected       the label asks for what is not there yet
    │   └── NothingToRollBackTo
    └── VersionCorrupt           a stored version is not what was published

Classes are split by what the caller can do. `code` is stable: it is the code on the wire, the
span's `error.type` and the word an operator greps for.
"""

from typing import ClassVar

from trimtab.domain.allowance import Allowance

FIRST_ERROR_STATUS = 400


class TrimtabError(Exception):
    """Base of all errors; caught at the edges only. A bug when it reaches a caller bare."""

    code: ClassVar[str] = "internal"


class Refused(TrimtabError):
    """The request was understood and denied.

    Attributes:
        param: Name of the body member or header at fault, for people.
    """

    code: ClassVar[str] = "refused"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class InvalidRequest(Refused):
    """The request is malformed; `param` names the member at fault."""

    code: ClassVar[str] = "invalid_request"


class FieldNotAllowed(Refused):
    """A member or header asks for what the tenant or the provider must be allowed first."""

    code: ClassVar[str] = "field_not_allowed"


class Unsupported(Refused):
    """Trimtab does not serve this route or feature."""

    code: ClassVar[str] = "unsupported"


class UnsupportedByTarget(Refused):
    """No target of the model can do what the request asks."""

    code: ClassVar[str] = "unsupported_by_target"


class BodyTooLarge(Refused):
    """The request body is larger than the gateway takes."""

    code: ClassVar[str] = "body_too_large"


class RequestTimedOut(Refused):
    """The request body did not arrive in time."""

    code: ClassVar[str] = "request_timeout"


class Unauthenticated(Refused):
    """The key is missing, malformed or unknown; which of them is not told."""

    code: ClassVar[str] = "unauthenticated"


class KeyRevoked(Refused):
    """The key was revoked."""

    code: ClassVar[str] = "key_revoked"


class KeyExpired(Refused):
    """The key is past its expiry."""

    code: ClassVar[str] = "key_expired"


class TenantSuspended(Refused):
    """A kill switch is on: of the tenant, its key, feature or user, or of the whole site."""

    code: ClassVar[str] = "tenant_suspended"


class TenantNotAllowed(Refused):
    """The key may not act for the tenant that the request names."""

    code: ClassVar[str] = "tenant_not_allowed"


class ModelNotAllowed(Refused):
    """The model exists, but not for this key or tenant."""

    code: ClassVar[str] = "model_not_allowed"


class ModelSuspended(Refused):
    """The kill switch of the model or of its provider is on."""

    code: ClassVar[str] = "model_suspended"


class ModelNotFound(Refused):
    """No model of this name is configured."""

    code: ClassVar[str] = "model_not_found"


class PriceUnknown(Refused):
    """Nobody can say what the target costs."""

    code: ClassVar[str] = "price_unknown"


class MaximumUnknown(Refused):
    """Nobody can say what the request costs at most, and a budget may never be overdrawn."""

    code: ClassVar[str] = "maximum_unknown"


class BudgetExhausted(Refused):
    """A budget has no room for what the request may cost.

    Attributes:
        resets_us: First instant of the next one; `None` if time does not help.
    """

    code: ClassVar[str] = "budget_exhausted"

    def __init__(self, message: str, *, resets_us: int | None = None) -> None:
        super().__init__(message)
        self.resets_us = resets_us


class BudgetUnreachable(BudgetExhausted):
    """The request may cost more than a whole budget."""

    code: ClassVar[str] = "budget_unreachable"


class ContentBlocked(Refused):
    """A guard policy blocked the request."""

    code: ClassVar[str] = "content_blocked"


class PromptAmbiguous(Refused):
    """A request names a prompt in two ways, or brings what the prompt would render."""

    code: ClassVar[str] = "prompt_ambiguous"


class PromptVariablesInvalid(Refused):
    """A variable of a prompt is missing, unknown or not of its schema; `param` names it."""

    code: ClassVar[str] = "prompt_variables_invalid"


class PromptHashMismatch(Refused):
    """What a client says it rendered is not what the registry has under that number."""

    code: ClassVar[str] = "prompt_hash_mismatch"


class PromptShapeError(Refused):
    """A typed wrapper was made for another shape than the version has."""

    code: ClassVar[str] = "prompt_shape_mismatch"


class VersionBlocked(Refused):
    """The version was yanked, and is blocked even for those who name it."""

    code: ClassVar[str] = "version_blocked"


class NotAPlainTemplate(Refused):
    """The seed's client, which knows one text and `string.Template`, would render it wrong."""

    code: ClassVar[str] = "not_a_plain_template"


class PreconditionRequired(Refused):
    """A pointer is moved only by who says where it stood: `If-Match` is missing."""

    code: ClassVar[str] = "precondition_required"


class IdempotencyDone(Refused):
    """A request of the same key was carried out, and its answer cannot be given again."""

    code: ClassVar[str] = "idempotency_done"


class IdempotencyMismatch(Refused):
    """A request of the same key asked for something else."""

    code: ClassVar[str] = "idempotency_mismatch"


class LegalHoldActive(Refused):
    """A record is kept for a case, so it cannot be erased."""

    code: ClassVar[str] = "legal_hold_active"


class Forbidden(Refused):
    """The actor is known and may not do this, or another site sent the form."""

    code: ClassVar[str] = "forbidden"


class NotFound(Refused):
    """The route or object does not exist."""

    code: ClassVar[str] = "not_found"


class RecordNotFound(NotFound):
    """No record has that id, or not yet."""

    code: ClassVar[str] = "record_not_found"


class RecordErased(NotFound):
    """The content was erased on request."""

    code: ClassVar[str] = "record_erased"


class ContentExpired(NotFound):
    """What was asked is not kept, or not any more."""

    code: ClassVar[str] = "content_expired"


class PromptNotFound(NotFound):
    """No prompt of this name, no such version, or a label that points at none."""

    code: ClassVar[str] = "prompt_not_found"


class NotAVersion(NotFound):
    """A label was given where a version must stand: it would be kept for ever."""

    code: ClassVar[str] = "not_a_version"


class TryLater(TrimtabError):
    """The same request may pass after a while.

    Attributes:
        wait_s: Seconds after which a retry can pass; `None` if nobody knows.
    """

    code: ClassVar[str] = "try_later"

    def __init__(self, message: str, *, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class RateLimited(TryLater):
    """A rate of the key or tenant is used up.

    Attributes:
        allowance: The rate, if it is known which.
    """

    code: ClassVar[str] = "rate_limited"

    def __init__(
        self, message: str, *, wait_s: float | None = None, allowance: Allowance | None = None
    ) -> None:
        super().__init__(message, wait_s=wait_s)
        self.allowance = allowance


class ParallelLimited(TryLater):
    """As many requests run already as the tenant may have at once."""

    code: ClassVar[str] = "parallel_limited"


class BudgetHeld(TryLater):
    """What is left of a budget is held by running requests, or has to refill."""

    code: ClassVar[str] = "budget_held"


class LimitsUnavailable(TryLater):
    """The limits that all workers share are away, and the tenant may not go on without."""

    code: ClassVar[str] = "limits_unavailable"


class IdempotencyInFlight(TryLater):
    """A request of the same key still runs."""

    code: ClassVar[str] = "idempotency_in_flight"


class RecorderUnavailable(TryLater):
    """The spool cannot be written, so an answer could not be remembered."""

    code: ClassVar[str] = "recorder_unavailable"


class ControlUnavailable(TryLater):
    """A change that the request needs cannot be made, or has not reached this worker."""

    code: ClassVar[str] = "control_unavailable"


class PromptUnavailable(TryLater):
    """Nobody has the prompt: not memory, not the registry, not the disk, not the lock file."""

    code: ClassVar[str] = "prompt_unavailable"


class Draining(TryLater):
    """The worker is shutting down."""

    code: ClassVar[str] = "draining"


class UpstreamFailed(TrimtabError):
    """The provider did not give an answer.

    Attributes:
        cause: What `Retry.when` calls it: the HTTP status, or a name of the class.
        status: HTTP status the provider sent; `None` if it sent none.
        raw_reason: The provider's own error type or our transport's, for the record.
        usage_possible: Whether the provider may have worked, and so may bill.
        wait_s: Seconds the provider asks us to wait; `None` if it does not say.
    """

    code: ClassVar[str] = "upstream_failed"
    named_cause: ClassVar[str] = "connect"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        raw_reason: str | None = None,
        usage_possible: bool = False,
        wait_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.raw_reason = raw_reason
        self.usage_possible = usage_possible
        self.wait_s = wait_s

    @property
    def cause(self) -> str:
        """Name the cause as `Retry.when` does."""
        failed = self.status is not None and self.status >= FIRST_ERROR_STATUS
        return str(self.status) if failed else self.named_cause


class ProviderError(UpstreamFailed):
    """The provider failed, or could not be reached."""

    code: ClassVar[str] = "provider_error"


class ProviderBadOutput(UpstreamFailed):
    """The provider's answer cannot be read."""

    code: ClassVar[str] = "provider_bad_output"
    named_cause: ClassVar[str] = "bad_output"


class ProviderAuth(UpstreamFailed):
    """The provider refuses our credential."""

    code: ClassVar[str] = "provider_auth"


class ProviderRateLimited(UpstreamFailed):
    """The provider says we send too much."""

    code: ClassVar[str] = "provider_rate_limited"


class ProviderOverloaded(UpstreamFailed):
    """The provider has no capacity."""

    code: ClassVar[str] = "provider_overloaded"
    named_cause: ClassVar[str] = "529"


class ProviderTimeout(UpstreamFailed):
    """The provider was silent for longer than the model's timeouts allow."""

    code: ClassVar[str] = "provider_timeout"
    named_cause: ClassVar[str] = "timeout"


class DeadlineExceeded(UpstreamFailed):
    """The caller's deadline passed before the end of the answer.

    Attributes:
        after_s: Seconds that the last attempt had.
    """

    code: ClassVar[str] = "deadline_exceeded"
    named_cause: ClassVar[str] = "deadline"

    def __init__(self, message: str, *, after_s: float = 0.0, usage_possible: bool = False) -> None:
        super().__init__(message, raw_reason="deadline", usage_possible=usage_possible)
        self.after_s = after_s


class ProviderRefused(UpstreamFailed):
    """The provider answered 4xx; the caller gets that answer as it is.

    Attributes:
        body: The provider's answer, relayed on the same wire.
        context_too_long: Whether it says that the request is too long for the model.
        without_usage: Whether it only refused to be asked for usage, which it can do without.
    """

    code: ClassVar[str] = "provider_refused"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        raw_reason: str | None = None,
        body: bytes = b"",
        context_too_long: bool = False,
        without_usage: bool = False,
    ) -> None:
        super().__init__(message, status=status, raw_reason=raw_reason)
        self.body = body
        self.context_too_long = context_too_long
        self.without_usage = without_usage


class ModelRefused(UpstreamFailed):
    """The model refused to answer, and another may be asked; never told to a caller."""

    code: ClassVar[str] = "model_refused"
    named_cause: ClassVar[str] = "refused"


class StreamTruncated(UpstreamFailed):
    """The provider's stream ended before its terminal event."""

    code: ClassVar[str] = "stream_truncated"


class StreamStalled(UpstreamFailed):
    """The provider's stream fell silent after its first content."""

    code: ClassVar[str] = "stream_stalled"


class SettingsInvalid(TrimtabError):
    """A file or command cannot be carried out as written."""

    code: ClassVar[str] = "settings_invalid"


class ChangeConflict(SettingsInvalid):
    """The pointer is no longer at the sequence number the caller saw."""

    code: ClassVar[str] = "change_conflict"


class SchemaTooNew(SettingsInvalid):
    """The database was written by a newer Trimtab."""

    code: ClassVar[str] = "schema_too_new"


class LintFailed(SettingsInvalid):
    """A prompt breaks a rule of the registry; one line for each."""

    code: ClassVar[str] = "lint_failed"


class BumpTooSmall(SettingsInvalid):
    """The number of a version promises more than its content keeps."""

    code: ClassVar[str] = "bump_too_small"


class VersionImmutable(SettingsInvalid):
    """A version of that number is published, with another content; numbers are never reused."""

    code: ClassVar[str] = "version_immutable"


class InUse(SettingsInvalid):
    """A label points at the version."""

    code: ClassVar[str] = "in_use"


class LabelProtected(SettingsInvalid):
    """The label asks for what the version does not have: evidence, or a second person."""

    code: ClassVar[str] = "label_protected"


class NothingToRollBackTo(SettingsInvalid):
    """The label was never anywhere else, or not lately, or only at versions that were yanked."""

    code: ClassVar[str] = "nothing_to_roll_back_to"


class VersionCorrupt(TrimtabError):
    """A stored version is not what was published: somebody wrote in the store itself."""

    code: ClassVar[str] = "version_corrupt"

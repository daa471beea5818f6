"""Everything that can go wrong, split by who is at fault.

    HarpoonError
    ├── CallerError            the request can't be served as written           4xx
    │   ├── MalformedRequest       not JSON, wrong types, missing fields        400
    │   ├── RequestTooLarge        more bytes than the limit                    413
    │   ├── NotAuthenticated       no token, or one we don't know               401
    │   ├── UnknownModel           no route serves that model                   404
    │   ├── UnknownDecision        no decision of this tenant has that id       404
    │   ├── CertificateUnavailable what the decision rested on is gone          409
    │   ├── TooManyLiveConnections more live feeds than a process serves        429
    │   ├── UnknownCovenant        no covenant of this tenant has that id       404
    │   └── UnreadableCovenant     a covenant with words we refuse to guess at  422
    ├── PolicyError            readable, but refused
    │   ├── BudgetExceeded         only a budget stands in the way              402
    │   ├── LimitExceeded          a limit on requests or tokens is reached     429
    │   ├── GuardrailDenied        the text of the request is what forbids it   403
    │   └── NothingAdmissible      every candidate is denied                    403
    ├── UpstreamError          a provider failed us
    │   ├── AllRoutesDown          no attempt got an answer                     503
    │   ├── RateLimited            every attempt was told to come back later    429
    │   └── DeadlineExceeded       time ran out before an answer                504
    ├── NotBuilt               understood, but nothing here can do it yet           501
    └── IntegrityError         our own state or data is not what it must be     500
        ├── StateError             the database refused or failed
        ├── CanonicalError         a value that has no canonical form
        ├── LedgerFault            a log, a proof or a checkpoint that does not verify
        ├── CatalogueError         a catalogue that contradicts itself
        └── SettingsError          a setting of the host that can't be used

Messages are shown to callers: they say what to do and never carry a secret, a prompt or a stack trace.
"""

from __future__ import annotations


class HarpoonError(Exception):
    """Root of the tree; carries what OpenAI's error body needs."""

    status: int = 500
    type: str = "server_error"
    code: str = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.details = details


class CallerError(HarpoonError):
    status = 400
    type = "invalid_request_error"
    code = "invalid_request"


class MalformedRequest(CallerError):
    pass


class RequestTooLarge(CallerError):
    status = 413
    code = "request_too_large"


class NotAuthenticated(CallerError):
    status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class UnknownModel(CallerError):
    status = 404
    code = "model_not_found"


class UnknownDecision(CallerError):
    status = 404
    code = "decision_not_found"


class CertificateUnavailable(CallerError):
    status = 409
    code = "certificate_unavailable"


class UnknownCovenant(CallerError):
    status = 404
    code = "covenant_not_found"


class TooManyLiveConnections(CallerError):
    status = 429
    code = "too_many_live_connections"


class UnreadableCovenant(CallerError):
    status = 422
    code = "unreadable_covenant"


class PolicyError(HarpoonError):
    status = 403
    type = "policy_error"
    code = "nothing_admissible"


class BudgetExceeded(PolicyError):
    status = 402
    type = "insufficient_quota"
    code = "budget_exceeded"


class LimitExceeded(PolicyError):
    """`type` names what is limited, as OpenAI's does: requests or tokens."""

    status = 429
    type = "requests"
    code = "rate_limit_exceeded"


class NothingAdmissible(PolicyError):
    pass


class GuardrailDenied(PolicyError):
    code = "guardrail_denied"


class UpstreamError(HarpoonError):
    status = 503
    type = "upstream_error"
    code = "all_routes_down"


class AllRoutesDown(UpstreamError):
    pass


class RateLimited(UpstreamError):
    status = 429
    code = "rate_limit_exceeded"


class DeadlineExceeded(UpstreamError):
    status = 504
    code = "deadline_exceeded"


class NotBuilt(HarpoonError):
    status = 501
    code = "not_implemented"


class IntegrityError(HarpoonError):
    pass


class StateError(IntegrityError):
    code = "state_error"


class CanonicalError(IntegrityError):
    code = "not_canonical"


class LedgerFault(IntegrityError):
    """`reason`: one of the upper-case words of docs/ledger.md; `seq`: the entry, None where it is about none."""

    code = "ledger_fault"

    def __init__(self, reason: str, message: str, seq: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.seq = seq


class CatalogueError(IntegrityError):
    code = "bad_catalogue"


class SettingsError(IntegrityError):
    code = "bad_settings"

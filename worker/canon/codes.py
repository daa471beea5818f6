"""The seven reasons for a denial, frozen on the wire, and the invariants a denial may name."""

from __future__ import annotations

from typing import NamedTuple

COST_BOUND_EXCEEDED = "COST_BOUND_EXCEEDED"
RISK_BOUND_EXCEEDED = "RISK_BOUND_EXCEEDED"
SUCCESS_PROB_TOO_LOW = "SUCCESS_PROB_TOO_LOW"
AUTHORITY_BOUNDARY_FAIL = "AUTHORITY_BOUNDARY_FAIL"
MISSING_CANON_PREREQS = "MISSING_CANON_PREREQS"
INVARIANT_VIOLATION = "INVARIANT_VIOLATION"
NON_INTERFERENCE_VIOLATION = "NON_INTERFERENCE_VIOLATION"

DENIAL_REASON_CODES = (
    AUTHORITY_BOUNDARY_FAIL,
    COST_BOUND_EXCEEDED,
    INVARIANT_VIOLATION,
    MISSING_CANON_PREREQS,
    NON_INTERFERENCE_VIOLATION,
    RISK_BOUND_EXCEEDED,
    SUCCESS_PROB_TOO_LOW,
)

POLICY_DEADLINE = "POLICY_DEADLINE"
POLICY_RESIDENCY = "POLICY_RESIDENCY"
POLICY_REQUIREMENT = "POLICY_REQUIREMENT"
MODEL_CAPABILITY = "MODEL_CAPABILITY"
CONTEXT_WINDOW = "CONTEXT_WINDOW"
PROVIDER_AVAILABLE = "PROVIDER_AVAILABLE"
PROVIDER_CONFIGURED = "PROVIDER_CONFIGURED"
GUARDRAIL_INJECTION = "GUARDRAIL_INJECTION"
GUARDRAIL_PERSONAL_DATA = "GUARDRAIL_PERSONAL_DATA"
GUARDRAIL_REDACTION = "GUARDRAIL_REDACTION"

INVARIANT_IDS = (
    CONTEXT_WINDOW,
    GUARDRAIL_INJECTION,
    GUARDRAIL_PERSONAL_DATA,
    GUARDRAIL_REDACTION,
    MODEL_CAPABILITY,
    POLICY_DEADLINE,
    POLICY_REQUIREMENT,
    POLICY_RESIDENCY,
    PROVIDER_AVAILABLE,
    PROVIDER_CONFIGURED,
)


class Denial(NamedTuple):
    """Why a candidate is inadmissible: the code, what exactly (an invariant id or a bound's name), bound, value."""

    code: str
    subject: str
    bound: int
    value: int

    def to_text(self) -> str:
        """`CODE:subject:bound:value`; no part holds a comma or a blank, only the subject may hold a colon."""
        return f"{self.code}:{self.subject}:{self.bound}:{self.value}"


def denial_from_text(text: str) -> Denial:
    """The denial that `Denial.to_text` wrote. Raises: ValueError."""
    code, rest = text.split(":", 1)
    subject, bound, value = rest.rsplit(":", 2)
    return Denial(code, subject, int(bound), int(value))

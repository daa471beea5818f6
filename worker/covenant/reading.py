"""What reading a covenant's words yields: the policy, and for every part of it the words it came from.

A clause is one thing a rule understood. It keeps the span of its words whether it stands in the policy or not, so that
a page can tie each chip to its words, and an error can name what it refuses to guess at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from worker.covenant.policy import Policy
from worker.money import usd_text

_MILLION = 1_000_000


class Clause(NamedTuple):
    """One thing a rule read. `start` and `end` count code points of the text; `stands` = it is part of the policy.

    `rule`: dotted name of the rule, such as `budget.limit`. `field`: the field of the covenant data set it speaks of,
    or `flags`. `value`: what it read, as text, such as `2.5`, `per_request`, `EU`, `ambiguous_time`.
    """

    rule: str
    field: str
    value: str
    start: int
    end: int
    stands: bool = True


class ForeignBudget(NamedTuple):
    """A budget in another currency than USD, in millionths of its unit; never converted (ISO 4217)."""

    amount_micros: int
    currency: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A covenant in words, read: the strict policy, a budget it can't hold, and the clauses in order of their words."""

    text: str = field(repr=False)
    policy: Policy
    budget_other: ForeignBudget | None = None
    clauses: tuple[Clause, ...] = ()

    def words_of(self, clause: Clause) -> str:
        """The words a clause came from."""
        return self.text[clause.start : clause.end]

    def to_fields(self) -> dict[str, Any]:
        """The reading in exactly the fields of the covenant data set; numbers are exact to a millionth."""
        policy, other = self.policy, self.budget_other
        return {
            "budget_usd": _number(policy.budget_usd_micros),
            "budget_other": other and {"amount": _number(other.amount_micros), "currency": other.currency},
            "budget_scope": policy.budget_scope,
            "deadline_s": _number(policy.deadline_us),
            "quality": policy.quality,
            "priority": policy.priority,
            "residency": list(policy.residency),
            "residency_exclude": list(policy.residency_exclude),
            "requirements": list(policy.requirements),
            "flags": list(policy.flags),
        }


def _number(micros: int | None) -> Any:
    """Millionths as the JSON number a person would write; outside the decision path."""
    return None if micros is None else json.loads(usd_text(micros))

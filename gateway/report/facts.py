"""Decisions, as GET /v1/decisions gives them, as typed rows: what a report is worked out from, and nothing else.

A row holds what was recorded; nothing is estimated here but where it says so. What is no decision is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.failure import CommandFailed
from worker.canon.codes import INVARIANT_VIOLATION, PROVIDER_CONFIGURED

#: Kinds of usage that name tokens: what the provider reported, and what was counted while streaming.
KNOWN_USAGE: Final = frozenset({"reported", "counted"})
SUCCESS: Final = "success"
LEFT: Final = "user_terminated"


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account as it stood when a request was admitted, in micro-dollars; `cap` None = no limit."""

    kind: str
    cap: int | None
    spent: int
    reserved: int


@dataclass(frozen=True, slots=True)
class RequestFact:
    """One request. Times in microseconds (`at_us` since 1970), money in micro-dollars, chances in parts per million.

    `outcome`: how it ended, empty while it has not. `usage`: where the tokens are known from. `success_ppm`: the chance
    of success that the selected candidate was given. `denials`: reason codes of a refusal, each once.
    """

    id: str
    at_us: int
    state: str
    outcome: str
    route: str
    is_simulated: bool
    complexity: str
    task: str
    priority: str
    cost_usd_micros: int
    usage: str
    input_tokens: int
    output_tokens: int
    elapsed_us: int
    first_byte_us: int
    attempts: int
    success_ppm: int
    budget_usd_micros: int | None
    budget_scope: str | None
    accounts: tuple[AccountState, ...]
    denials: tuple[str, ...]
    catalogue: str

    @property
    def provider(self) -> str:
        """Who served, or would have."""
        return self.route.partition("/")[0]

    @property
    def model(self) -> str:
        """The model of the route, without its provider and pool."""
        return self.route.partition("/")[2].rpartition("@")[0]


def read_facts(decisions: Iterable[Mapping[str, Any]], simulated: frozenset[str]) -> list[RequestFact]:
    """A row for each decision, oldest first. Args: simulated: ids of the providers that are simulated.

    Raises: CommandFailed naming the first that is no decision of Harpoon's.
    """
    facts = []
    for number, decision in enumerate(decisions, 1):
        try:
            if decision["inputs"] == {}:
                continue  # the ledger's retention has dropped what it was made from
            facts.append(_fact(decision, simulated))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
            raise CommandFailed(
                f"decision {number} is not what GET /v1/decisions answers (as `harpoon decisions --jsonl` writes it):"
                f" {type(problem).__name__}: {problem}"
            ) from problem
    return sorted(facts, key=lambda fact: (fact.at_us, fact.id))


def read_lines(lines: Iterable[bytes], name: str) -> Iterator[dict[str, Any]]:
    """The decisions of a file that `harpoon decisions --jsonl` wrote. Raises: CommandFailed naming the line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as problem:
            raise CommandFailed(f"{name}:{number}: not JSON: {problem}") from problem
        if not isinstance(value, dict) or value.get("object") != "decision":
            raise CommandFailed(f"{name}:{number}: not a decision; `harpoon decisions --jsonl` writes them")
        yield value


def _fact(decision: Mapping[str, Any], simulated: frozenset[str]) -> RequestFact:
    inputs, outcome = decision["inputs"], decision["outcome"] or {}
    selected = decision["selected"] or ""
    route = str(outcome.get("route") or selected)
    policy, judged = inputs["policy"], inputs["classification"]
    budget = policy["budget_usd_micros"]
    return RequestFact(
        id=str(decision["id"]),
        at_us=int(decision["at_us"]),
        state=str(decision["state"]),
        outcome=str(outcome.get("outcome", "")),
        route=route,
        is_simulated=route.partition("/")[0] in simulated,
        complexity=str(judged[1]),
        task=str(judged[2]),
        priority=str(policy["priority"] or "balanced"),
        cost_usd_micros=int(decision["cost_usd_micros"]),
        usage=str(outcome.get("usage", "none")),
        input_tokens=int(outcome.get("input_tokens", 0)),
        output_tokens=int(outcome.get("output_tokens", 0)),
        elapsed_us=int(outcome.get("elapsed_us", 0)),
        first_byte_us=int(outcome.get("first_byte_us", 0)),
        attempts=len(outcome.get("attempts", [])),
        success_ppm=_success_ppm(decision, selected),
        budget_usd_micros=None if budget is None else int(budget),
        budget_scope=policy["budget_scope"],
        accounts=tuple(_account(row) for row in inputs["accounts"]),
        denials=_denials(decision) if decision["state"] == "denied" else (),
        catalogue=str(inputs["catalogue"]),
    )


def _account(row: list[Any]) -> AccountState:
    kind, cap, spent, reserved = row[:4]
    return AccountState(str(kind), None if cap is None else int(cap), int(spent), int(reserved))


def _success_ppm(decision: Mapping[str, Any], selected: str) -> int:
    for candidate in decision["candidates"]:
        if candidate["route"] == selected:
            return int(candidate.get("success_ppm", 0))
    return 0


def _denials(decision: Mapping[str, Any]) -> tuple[str, ...]:
    """The codes that stood against candidates; a missing provider only where nothing else did."""
    found = {
        (str(denial["reason_code"]), str(denial["subject"]))
        for candidate in decision["candidates"]
        for denial in candidate["denials"]
    }
    spoken = found - {(INVARIANT_VIOLATION, PROVIDER_CONFIGURED)}
    return tuple(sorted({code for code, _ in spoken or found}))

"""Small decision problems for stories about them: a kit to say only what a story is about."""

from __future__ import annotations

from typing import Any

from tests.worker.decision_kit import hasher
from worker.canon.codes import Denial
from worker.canon.problem import Problem, read_problem
from worker.canon.resolve import Resolution, resolve

CERTAIN = {"ttv_us": 1_000, "cost_usd_micros": 10, "risk_ppm": 100, "success_ppm": 1_000_000}
WEIGHTS = {"cost_us_per_usd_micro": 5, "risk_us_per_ppm": 2, "improbability_us_per_micronat": 3}


HASHER = hasher()


def item(name: str, level: str = "CANON", **changes: Any) -> dict[str, Any]:
    usual = {
        "id": name,
        "kind": "policy",
        "level": level,
        "applies_to": ["*"],
        "at_us": 1,
        "provenance": {"source": "test", "ref": "a story"},
        "content": {"says": name},
    }
    return {**usual, **changes}


def hash_of(name: str) -> str:
    """The content hash of `item(name)`."""
    return HASHER.sha3_256(f'{{"says":"{name}"}}'.encode()).hex()


def cite(name: str, content_hash: str = "") -> dict[str, str]:
    return {"id": name, "hash": content_hash or hash_of(name)}


def features(**changes: int) -> dict[str, int]:
    return {**CERTAIN, **changes}


def candidate(name: str, **figures: int) -> dict[str, Any]:
    return {"id": name, "features": features(**figures)}


def path(name: str, *actions: dict[str, Any], **figures: int) -> dict[str, Any]:
    """A candidate of these actions, called `<name>.1` and so on unless they have an id."""
    named = [{"id": f"{name}.{at}", **action} for at, action in enumerate(actions, 1)]
    return {**candidate(name, **figures), "actions": named}


def posed(*candidates: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A problem in JSON."""
    return {"candidates": list(candidates), "weights": WEIGHTS, "bounds": {}, "canon": [], **members}


def problem_of(*candidates: dict[str, Any], **members: Any) -> Problem:
    return read_problem(posed(*candidates, **members), HASHER)


def decided(
    *candidates: dict[str, Any], extra: dict[str, tuple[Denial, ...]] | None = None, **members: Any
) -> Resolution:
    return resolve(problem_of(*candidates, **members), HASHER, extra or {})


def denials(resolution: Resolution, name: str) -> list[tuple[str, str, str]]:
    """What stands against a candidate: code, subject, and the action ("" = the whole path)."""
    names = [one.id for one in resolution.problem.candidates]
    findings = resolution.verdicts[names.index(name)].findings
    return [(finding.denial.code, finding.denial.subject, finding.action) for finding in findings]

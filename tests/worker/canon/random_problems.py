"""Random decision problems, and what is right about them, worked out another way than the product does.

`random_problem` makes a problem of every shape from a seed: fixed figures, figures by action, scenarios, items at every
level, citations that hold and that don't, rules, bounds, ties. `brute_force` judges it from the JSON alone: in
fractions, with a logarithm of its own, and an order found by looking for the least again and again. Nothing here is
imported from the engine. It runs on CPython and in Pyodide, so it needs nothing but the standard library.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

MILLION = 1_000_000
KINDS = ("definition", "constraint", "policy", "model", "table")
LEVELS = ("EVIDENCE", "PROPOSED", "CANON")
TAGS = ("read", "write", "pay")
CODES = (
    "AUTHORITY_BOUNDARY_FAIL",
    "COST_BOUND_EXCEEDED",
    "INVARIANT_VIOLATION",
    "MISSING_CANON_PREREQS",
    "NON_INTERFERENCE_VIOLATION",
    "RISK_BOUND_EXCEEDED",
    "SUCCESS_PROB_TOO_LOW",
)
Sha3 = Callable[[bytes], bytes]
Extra = dict[str, list[dict[str, Any]]]


class Expected(NamedTuple):
    """What is right: the ranking as ids, totals of the admissible, and the codes of each denied candidate."""

    ranking: list[str]
    totals: dict[str, int]
    codes: dict[str, list[str]]


def random_problem(seed: int, sha3_256: Sha3) -> tuple[dict[str, Any], Extra]:
    """A problem and denials from elsewhere, the same for the same seed."""
    random = Random(seed)
    items = [_item(random, f"i{at}") for at in range(random.choice((0, 0, 2, 5)))]
    hashes = {item["id"]: sha3_256(_canonical(item["content"])).hex() for item in items}
    count = random.choice((1, 2, 3, 5, 8, 20))
    candidates = [_candidate(random, f"c{at}", hashes) for at in range(count)]
    random.shuffle(candidates)
    problem: dict[str, Any] = {
        "candidates": candidates,
        "weights": {
            "cost_us_per_usd_micro": random.choice((0, 1, 7, 5_000)),
            "risk_us_per_ppm": random.choice((0, 1, 20)),
            "improbability_us_per_micronat": random.choice((0, 1, 10)),
        },
        "bounds": _bounds(random),
        "canon": items,
    }
    if random.random() < 0.5:
        problem["horizon_us"] = random.choice((1, 5, 100, 10**6))
    if random.random() < 0.3:
        problem["invariants"] = [_rule(random, f"r{at}") for at in range(random.choice((1, 2)))]
    extra: Extra = {}
    if random.random() < 0.2:
        name = random.choice(random.choice(candidates).get("actions", [{"id": ""}]))["id"]
        if name:
            extra[name] = [{"code": "NON_INTERFERENCE_VIOLATION", "subject": "victim", "bound": 0, "value": 5}]
    return problem, extra


def _figure(random: Random, most: int) -> int:
    """Often one of a few values, so that there are ties; sometimes any."""
    return random.choice((0, 1, 2, 3, most // 2, most)) if random.random() < 0.7 else random.randrange(most + 1)


def _features(random: Random) -> dict[str, int]:
    return {
        "ttv_us": _figure(random, 10**6),
        "cost_usd_micros": _figure(random, 1_000),
        "risk_ppm": _figure(random, MILLION),
        "success_ppm": MILLION - (_figure(random, MILLION) if random.random() < 0.6 else 0),
    }


def _candidate(random: Random, name: str, hashes: dict[str, str]) -> dict[str, Any]:
    candidate: dict[str, Any] = {"id": name}
    shape = random.choice(("plain", "plain", "actions", "sum", "scenarios"))
    if shape in ("actions", "sum"):
        count = random.choice((1, 2, 4))
        candidate["actions"] = [_action(random, f"{name}.{at}", hashes) for at in range(count)]
        if shape == "sum":
            for action in candidate["actions"]:
                action["features"] = _features(random)
    if shape == "scenarios":
        cuts = sorted(random.randrange(MILLION + 1) for _ in range(random.choice((0, 1, 3))))
        edges = [0, *cuts, MILLION]
        weights = [high - low for low, high in pairwise(edges)]
        candidate["scenarios"] = [{"weight_ppm": weight, **_features(random)} for weight in weights]
    elif shape != "sum":
        candidate["features"] = _features(random)
    if random.random() < 0.2:
        candidate["tier_factor_ppm"] = random.choice((MILLION, 1_500_000, 1_000_001))
    return candidate


def _action(random: Random, name: str, hashes: dict[str, str]) -> dict[str, Any]:
    action: dict[str, Any] = {"id": name}
    if random.random() < 0.7:
        action["tags"] = random.sample(TAGS, random.choice((1, 2)))
    known = [*hashes, "nowhere"]
    if random.random() < 0.2:
        action["prerequisites"] = random.sample(known, min(len(known), random.choice((1, 2))))
    if random.random() < 0.5 and hashes:
        cited = random.sample([*hashes], min(len(hashes), random.choice((1, 2))))
        wrong = random.random() < 0.1
        action["cites"] = [{"id": one, "hash": "0" * 64 if wrong else hashes[one]} for one in cited]
    for field in ("resources", "writes"):
        if random.random() < 0.3:
            action[field] = random.sample(("pool", "disk"), random.choice((1, 2)))
    return action


def _item(random: Random, name: str) -> dict[str, Any]:
    kind = random.choice(KINDS)
    content: dict[str, Any] = {"says": random.randrange(5)}
    if kind == "constraint":
        content["rule"] = _rule(random, name)["rule"] if random.random() < 0.8 else {"op": "who knows"}
    return {
        "id": name,
        "kind": kind,
        "level": random.choice(("CANON", *LEVELS)),
        "applies_to": ["*"] if random.random() < 0.5 else [random.choice(TAGS)],
        "at_us": 1 + random.randrange(100),
        "provenance": {"source": "test", "ref": "random"},
        "content": content,
    }


def _rule(random: Random, name: str) -> dict[str, Any]:
    op = random.choice(("at_most", "at_least", "forbids", "requires"))
    rule: dict[str, Any] = {"op": op}
    if op in ("at_most", "at_least"):
        rule["feature"] = random.choice(("ttv_us", "cost_usd_micros", "risk_ppm", "success_ppm"))
        rule["value"] = random.choice((0, 3, 500, MILLION // 2))
    else:
        rule |= {
            "field": random.choice(("tags", "resources", "writes")),
            "name": random.choice((*TAGS, "pool", "disk")),
        }
    severity = random.choice(("HARD_FAIL", "HARD_FAIL", "SOFT_FAIL"))
    return {"id": name, "severity": severity, "applies_to": [random.choice(("*", *TAGS))], "rule": rule}


def _bounds(random: Random) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    if random.random() < 0.4:
        bounds["max_cost_usd_micros"] = random.choice((0, 3, 500))
    if random.random() < 0.4:
        bounds["max_risk_ppm"] = random.choice((3, MILLION // 2, MILLION))
    if random.random() < 0.4:
        bounds["min_success_ppm"] = random.choice((0, 1, MILLION // 2, MILLION))
    if random.random() < 0.3:
        bounds["required_kinds"] = random.sample(KINDS, random.choice((1, 1, 2)))
    return bounds


def brute_force(problem: dict[str, Any], extra: Extra, sha3_256: Sha3) -> Expected:
    """What is right about the problem, from its JSON."""
    totals: dict[str, int] = {}
    keys: dict[str, tuple[Any, ...]] = {}
    codes: dict[str, list[str]] = {}
    horizon = problem.get("horizon_us", 120_000_000)
    for candidate in problem["candidates"]:
        name = candidate["id"]
        exact, costs = _exact(candidate, horizon)
        mean = _rounded(exact)
        found = _codes(problem, candidate, exact, costs, extra, sha3_256)
        if found:
            codes[name] = sorted(found)
            continue
        totals[name] = _total(problem["weights"], candidate, mean)
        keys[name] = (totals[name], mean["ttv_us"], mean["risk_ppm"], mean["cost_usd_micros"], name)
    ranking: list[str] = []
    while len(ranking) < len(keys):
        rest = [name for name in keys if name not in ranking]
        ranking += [name for name in rest if all(keys[name] <= keys[other] for other in rest)]
    return Expected(ranking, totals, codes)


def _exact(candidate: dict[str, Any], horizon: int) -> tuple[dict[str, Fraction], list[int]]:
    """The figures of the whole, with nothing rounded, `time_us` cut off at the horizon; and the costs it may have."""
    if "scenarios" in candidate:
        ways = [(Fraction(way["weight_ppm"], MILLION), way) for way in candidate["scenarios"]]
    elif "features" in candidate:
        ways = [(Fraction(1), candidate["features"])]
    else:
        ways = [(Fraction(1), _sum_of([action["features"] for action in candidate["actions"]]))]
    names = ("ttv_us", "cost_usd_micros", "risk_ppm", "success_ppm")
    exact = {name: Fraction(sum(weight * way[name] for weight, way in ways)) for name in names}
    exact["time_us"] = Fraction(sum(weight * min(way["ttv_us"], horizon) for weight, way in ways))
    return exact, [way["cost_usd_micros"] for weight, way in ways if weight]


def _rounded(exact: dict[str, Fraction]) -> dict[str, int]:
    """The figures rounded against the path."""
    return {name: int(value // 1) if name == "success_ppm" else _up(value) for name, value in exact.items()}


def _sum_of(steps: list[dict[str, int]]) -> dict[str, Any]:
    safe = success = Fraction(1)
    for step in steps:
        safe *= 1 - Fraction(step["risk_ppm"], MILLION)
        success *= Fraction(step["success_ppm"], MILLION)
    return {
        "ttv_us": sum(step["ttv_us"] for step in steps),
        "cost_usd_micros": sum(step["cost_usd_micros"] for step in steps),
        "risk_ppm": (1 - safe) * MILLION,
        "success_ppm": success * MILLION,
    }


def _up(value: Fraction | int) -> int:
    return -(-value // 1)


def _total(weights: dict[str, int], candidate: dict[str, Any], mean: dict[str, int]) -> int:
    spent = mean["time_us"] + weights["cost_us_per_usd_micro"] * mean["cost_usd_micros"]
    dearer = spent * Fraction(candidate.get("tier_factor_ppm", MILLION), MILLION) // 1
    improbable = weights["improbability_us_per_micronat"] * micronats(mean["success_ppm"])
    return dearer + weights["risk_us_per_ppm"] * mean["risk_ppm"] + improbable


@cache
def micronats(success_ppm: int) -> int:
    """-ln p in millionths, to the nearest, by fifty digits of decimal arithmetic."""
    context = Context(prec=50)
    exact = -context.ln(Decimal(success_ppm) / MILLION) * MILLION
    return int(exact.to_integral_value(ROUND_HALF_EVEN))


def _codes(
    problem: dict[str, Any],
    candidate: dict[str, Any],
    exact: dict[str, Fraction],
    costs: list[int],
    extra: Extra,
    sha3_256: Sha3,
) -> set[str]:
    bounds, items = problem["bounds"], {item["id"]: item for item in problem["canon"]}
    canon = {name: item for name, item in items.items() if item["level"] == "CANON"}
    actions = candidate.get("actions", [{"id": candidate["id"]}])
    found = {denial["code"] for action in actions for denial in extra.get(action["id"], [])}
    if max(costs) > bounds.get("max_cost_usd_micros", max(costs)):
        found.add("COST_BOUND_EXCEEDED")
    if exact["risk_ppm"] > bounds.get("max_risk_ppm", MILLION):
        found.add("RISK_BOUND_EXCEEDED")
    # Less than one part in a million is nothing.
    if exact["success_ppm"] < max(1, bounds.get("min_success_ppm", 1)):
        found.add("SUCCESS_PROB_TOO_LOW")
    for action in actions:
        if not set(action.get("prerequisites", [])) <= canon.keys():
            found.add("MISSING_CANON_PREREQS")
        covered = set()
        for cite in action.get("cites", []):
            item = canon.get(cite["id"])
            speaks = item is not None and _speaks_of(item["applies_to"], action)
            if item is not None and speaks and sha3_256(_canonical(item["content"])).hex() == cite["hash"]:
                covered.add(item["kind"])
            else:
                found.add("AUTHORITY_BOUNDARY_FAIL")
        if not set(bounds.get("required_kinds", [])) <= covered:
            found.add("AUTHORITY_BOUNDARY_FAIL")
    rules = [rule for rule in problem.get("invariants", []) if rule["severity"] == "HARD_FAIL"]
    rules += [
        {"applies_to": item["applies_to"], "rule": item["content"]["rule"]}
        for item in canon.values()
        if item["kind"] == "constraint" and "rule" in item["content"]
    ]
    if any(_is_broken(rule, actions, exact, costs) for rule in rules):
        found.add("INVARIANT_VIOLATION")
    return found


def _speaks_of(applies_to: list[str], action: dict[str, Any]) -> bool:
    return "*" in applies_to or any(tag in applies_to for tag in action.get("tags", []))


def _is_broken(
    rule: dict[str, Any], actions: list[dict[str, Any]], exact: dict[str, Fraction], costs: list[int]
) -> bool:
    """By exact figures; a cost is each that the path may have, for a budget is no average."""
    concerned = [action for action in actions if _speaks_of(rule["applies_to"], action)]
    said = rule["rule"]
    figures = costs if said.get("feature") == "cost_usd_micros" else [exact.get(said.get("feature", ""))]
    if said["op"] == "at_most":
        return bool(concerned) and any(figure is not None and figure > said["value"] for figure in figures)
    if said["op"] == "at_least":
        return bool(concerned) and any(figure is not None and figure < said["value"] for figure in figures)
    if said["op"] == "forbids":
        return any(said["name"] in action.get(said["field"], []) for action in concerned)
    if said["op"] == "requires":
        return any(said["name"] not in action.get(said["field"], []) for action in concerned)
    return bool(concerned)


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

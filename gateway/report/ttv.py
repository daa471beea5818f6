"""How long routes took, out of recorded decisions: estimates, calibration, and the canon items that would say so.

An attempt says how long its route took, if it gave its answer, and else only that it took longer; so does the whole
session of the time to value, which runs from the intent. Answers out of the cache say nothing of any route. All figures
are integers: microseconds, parts per million.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gateway.failure import CommandFailed
from worker.canon.ttv import Calibration, Estimate, Sample, calibrate, ratio_ppm, restricted_mean
from worker.ledger.canonical import MAX_INT, canonical_json
from worker.ledger.sha3 import sha3_256
from worker.routing.estimates import MAX_RATIO_PPM, MIN_RATIO_PPM

MILLION = 1_000_000
SUCCESS = "success"
ITEM_PREFIX = "ttv:"
#: Digits of the decisions' hash that tell one proposal of a route from the next.
ITEM_DIGITS = 8


class Attempted(NamedTuple):
    """One attempt on a route: what the decision expected of it, what the catalogue says alone, and what came."""

    predicted_us: int
    catalogue_us: int
    sample: Sample


class RouteTtv(NamedTuple):
    """What is known of a route: the estimate, what was predicted, and both for groups of similar predictions."""

    route: str
    estimate: Estimate
    predicted_us: int
    catalogue_us: int
    ratio_ppm: int
    groups: tuple[Calibration, ...]


class TtvReport(NamedTuple):
    """The report. `sessions`: from the intent to the answer, None = there were none; `told`: decisions it rests on,
    `decisions`: hex SHA3-256 of their ids and digests.
    """

    horizon_us: int
    since_us: int
    until_us: int
    told: int
    decisions: str
    sessions: Estimate | None
    routes: tuple[RouteTtv, ...]


def ttv_report(decisions: Iterable[Mapping[str, Any]], horizon_us: int, groups: int) -> TtvReport:
    """The report on decisions, as GET /v1/decisions answers them. Raises: CommandFailed for what is none."""
    attempts: dict[str, list[Attempted]] = {}
    sessions: list[Sample] = []
    named: list[list[str]] = []
    times: list[int] = []
    seen: set[str] = set()
    for number, decision in enumerate(decisions, 1):
        try:
            outcome = decision["outcome"]
            if outcome is None or outcome.get("cached") or not decision["attempts"]:
                continue
            if str(decision["id"]) in seen:
                # Exports that overlap tell of one session twice, which would make the interval too narrow.
                continue
            seen.add(str(decision["id"]))
            named.append([str(decision["id"]), str(decision["decision_digest"])])
            times.append(int(decision["at_us"]))
            sessions.append(_session(decision, outcome))
            for route, found in _attempts(decision, outcome):
                attempts.setdefault(route, []).append(found)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise CommandFailed(
                f"decision {number} is not what GET /v1/decisions answers (as `harpoon decisions --jsonl` writes it):"
                f" {type(problem).__name__}: {problem}"
            ) from problem
    return TtvReport(
        horizon_us,
        min(times, default=0),
        max(times, default=0),
        len(named),
        sha3_256(canonical_json(sorted(named))).hex(),
        restricted_mean(sessions, horizon_us) if sessions else None,
        tuple([_route(route, found, horizon_us, groups) for route, found in sorted(attempts.items())]),
    )


def _session(decision: Mapping[str, Any], outcome: Mapping[str, Any]) -> Sample:
    """From the intent, or where the client told none from when the request was read, to the last byte."""
    intent_us = int(outcome.get("intent_at_us", decision["at_us"]))
    elapsed_us = int(outcome["elapsed_us"]) + max(0, int(decision["at_us"]) - intent_us)
    return _sample(elapsed_us, outcome["outcome"] == SUCCESS)


def _attempts(decision: Mapping[str, Any], outcome: Mapping[str, Any]) -> Iterable[tuple[str, Attempted]]:
    candidates = {one["route"]: one for one in decision["candidates"]}
    last = len(decision["attempts"]) - 1
    for at, attempt in enumerate(decision["attempts"]):
        candidate = candidates.get(attempt["route"])
        if candidate is None or "ttv_us" not in candidate:
            continue
        predicted_us = int(candidate["ttv_us"])
        seen_ppm = int(candidate.get("ratio_ppm", MILLION)) or MILLION
        is_reached = at == last and attempt["cause"] == "ok" and outcome["outcome"] == SUCCESS
        sample = _sample(int(attempt["elapsed_us"]), is_reached)
        yield str(attempt["route"]), Attempted(predicted_us, predicted_us * MILLION // seen_ppm, sample)


def _sample(time_us: int, is_reached: bool) -> Sample:
    """Raises: ValueError for a time that is none."""
    if not 0 <= time_us <= MAX_INT:
        raise ValueError(f"{time_us} us is no time a session takes")
    return Sample(time_us, is_reached)


def _route(route: str, found: list[Attempted], horizon_us: int, groups: int) -> RouteTtv:
    estimate = restricted_mean([one.sample for one in found], horizon_us)
    predicted_us = sum(min(one.predicted_us, horizon_us) for one in found) // len(found)
    catalogue_us = sum(min(one.catalogue_us, horizon_us) for one in found) // len(found)
    pairs = [(one.predicted_us, one.sample) for one in found]
    ratio = ratio_ppm(estimate.mean_us, catalogue_us)
    return RouteTtv(route, estimate, predicted_us, catalogue_us, ratio, calibrate(pairs, horizon_us, groups))


def report_to_plain(report: TtvReport) -> dict[str, Any]:
    """The report as JSON-like values."""
    routes = []
    for route in report.routes:
        groups = [{**group._asdict(), "actual": dict(group.actual._asdict())} for group in route.groups]
        routes.append({**route._asdict(), "estimate": dict(route.estimate._asdict()), "groups": groups})
    sessions = None if report.sessions is None else dict(report.sessions._asdict())
    return {"object": "ttv_report", **report._asdict(), "sessions": sessions, "routes": routes}


def proposal_of(report: TtvReport, route: RouteTtv) -> dict[str, Any]:
    """The canon item that says how long a route took: evidence, until tests have made it CANON.

    Its ratio stays within what an answer may teach (`worker.routing.estimates`), its times are as they were.
    """
    estimate = route.estimate
    said = {
        "route": route.route,
        "horizon_us": report.horizon_us,
        "mean_us": estimate.mean_us,
        "low_us": estimate.low_us,
        "high_us": estimate.high_us,
        "samples": estimate.samples,
        "reached": estimate.reached,
        "open_ppm": estimate.open_ppm,
        "predicted_us": route.predicted_us,
        "catalogue_us": route.catalogue_us,
        "ratio_ppm": min(MAX_RATIO_PPM, max(MIN_RATIO_PPM, route.ratio_ppm)),
        "decisions": report.decisions,
        "since_us": report.since_us,
        "until_us": report.until_us,
    }
    return {
        "id": f"{ITEM_PREFIX}{route.route}:{report.decisions[:ITEM_DIGITS]}",
        "kind": "model",
        "applies_to": ["route"],
        "provenance": {"source": "prod", "ref": f"{report.told} decisions, SHA3-256 {report.decisions}"},
        "content": {"ttv": said},
    }

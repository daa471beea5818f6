"""The user panel's bills and usage figures: what billing.py works out, in the platform's shapes."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.simulator.platform.billing import HOUR_US, date_of, held_us, hold_cost, time_of
from gateway.simulator.platform.calls import Call
from gateway.simulator.platform.forms import LIST, Answer, Row, dollars
from gateway.simulator.platform.platform import Platform
from gateway.simulator.platform.records import ApiError, Hold, status_of
from gateway.simulator.pools.parameters import MILLION

_INTERVALS = {"hourly": HOUR_US, "daily": 24 * HOUR_US, "weekly": 168 * HOUR_US, "monthly": 720 * HOUR_US}
_GRANULARITIES = {"1h": 3_600, "1d": 86_400, "1w": 604_800}
_MOST_INTERVALS = 5_000
_CURRENCY = {"code": "USD", "symbol": "$"}


def _period(platform: Platform, call: Call) -> tuple[int, int]:
    start_us, end_us = time_of(call.text("start")), time_of(call.text("end"))
    if end_us < start_us:
        raise ApiError(400, "the end is before the start")
    return platform.model_us(start_us), platform.model_us(end_us)


def _holds(platform: Platform, team: str, start_us: int, end_us: int) -> list[Hold]:
    now_us = platform.now_us
    return [
        hold
        for hold in platform.holds.values()
        if hold.team == team and (hold_cost(hold, start_us, end_us, now_us) or held_us(hold, start_us, end_us, now_us))
    ]


def _hours(holds: Iterable[Hold], start_us: int, end_us: int, now_us: int) -> float:
    return sum([held_us(hold, start_us, end_us, now_us) for hold in holds]) / HOUR_US


def _cost(holds: Iterable[Hold], start_us: int, end_us: int, now_us: int) -> float:
    return dollars(sum([hold_cost(hold, start_us, end_us, now_us) for hold in holds]))


def _unknown(team: str) -> Answer:
    return Answer({"result": "FAILURE", "errors": [f"team {team} not found"]})


def summary(platform: Platform, call: Call) -> Answer:
    team, now_us = call.team(), platform.now_us
    if team not in platform.teams:
        return _unknown(team)
    start_us, end_us = _period(platform, call)
    holds = _holds(platform, team, start_us, end_us)
    bare = [hold for hold in holds if not hold.instance_id]
    instances = [hold for hold in holds if hold.instance_id]
    value = {
        "total_cost": _cost(holds, start_us, end_us, now_us),
        "monthly_base_cost": 0,
        "total_hours": _hours(holds, start_us, end_us, now_us),
        "pool_hours": _hours(bare, start_us, end_us, now_us),
        "instance_hours": _hours(instances, start_us, end_us, now_us),
        "gpuaas_summary": [_pool_row(platform, pool, bare, start_us, end_us) for pool in _pools(bare)],
        "shared_storage_billing_summary": [],
        "instance_billing_summary": [
            {
                "instance_name": hold.name,
                "hours": _hours([hold], start_us, end_us, now_us),
                "cost": _cost([hold], start_us, end_us, now_us),
            }
            for hold in instances
        ],
        "currency": dict(_CURRENCY),
    }
    return Answer(value, has_figures=True)


def _pools(holds: Iterable[Hold]) -> list[int]:
    return sorted({hold.pool for hold in holds})


def _pool_row(platform: Platform, pool: int, holds: Iterable[Hold], start_us: int, end_us: int) -> Row:
    mine, now_us = [hold for hold in holds if hold.pool == pool], platform.now_us
    spec = platform.specs[pool]
    return {
        "pool_name": spec.name,
        "pool_label": spec.name,
        "gpu_card_name": spec.gpu_model,
        "pool_hours": _hours(mine, start_us, end_us, now_us),
        "total": _cost(mine, start_us, end_us, now_us),
        "subscription_rate": dollars(platform.slot_hourly(pool)),
    }


def by_interval(platform: Platform, call: Call) -> Answer:
    team, now_us = call.team(), platform.now_us
    if team not in platform.teams:
        return _unknown(team)
    _interval(call)
    start_us, end_us = _period(platform, call)
    holds = _holds(platform, team, start_us, end_us)
    value = {
        "result": "SUCCESS",
        "total_cost": _cost(holds, start_us, end_us, now_us),
        "total_hours": _hours(holds, start_us, end_us, now_us),
        "currency": dict(_CURRENCY),
        "instances": [
            {
                "instance_id": hold.instance_id or f"{hold.id}",
                "instance_name": hold.name or platform.specs[hold.pool].name,
                "hours": _hours([hold], start_us, end_us, now_us),
                "cost": _cost([hold], start_us, end_us, now_us),
            }
            for hold in holds
        ],
    }
    return Answer(value, has_figures=True)


def _interval(call: Call) -> int:
    name = call.text("interval")
    if name not in _INTERVALS:
        raise ApiError(400, "interval must be hourly, daily, weekly or monthly")
    return _INTERVALS[name]


def pool_intervals(platform: Platform, call: Call) -> Answer:
    """Per pool and interval; all of it is the subscription rate, as the model prices slots and nothing else."""
    team, now_us = call.team(), platform.now_us
    if team not in platform.teams:
        return _unknown(team)
    length_us = _interval(call)
    start_us, end_us = _period(platform, call)
    if (end_us - start_us) // length_us > _MOST_INTERVALS:
        raise ApiError(400, "too many intervals")
    holds, value = _holds(platform, team, start_us, end_us), Row()
    for pool in _pools(holds):
        mine, intervals = [hold for hold in holds if hold.pool == pool], Row()
        for from_us in range(start_us, end_us, length_us):
            to_us = min(end_us, from_us + length_us)
            cost = _cost(mine, from_us, to_us, now_us)
            row = {name: {"cost": 0} for name in ("GPU", "vRAM", "EphimeralStorage", "CPU", "RAM")}
            hours = _hours(mine, from_us, to_us, now_us)
            if cost or hours:
                key = date_of(platform.utc_us(from_us))
                rate = {"SubscriptionRate": {"cost": cost}, "interval_hours": hours, "interval_cost": cost}
                intervals[key] = {**row, **rate}
        value[f"{pool}"] = {"pool_name": platform.specs[pool].name, "intervals": intervals}
    return Answer(value, has_figures=True)


def metrics(platform: Platform, call: Call) -> Answer:
    team, now_us = call.team(), platform.now_us
    start_us = platform.model_us(time_of(call.query.get("start_date", "1970-01-01")))
    end_us = platform.model_us(time_of(call.query["end_date"])) if call.query.get("end_date") else now_us + 1
    holds = _holds(platform, team, start_us, end_us)
    page, size = max(1, call.number("page", 1)), max(1, call.number("itemsPerPage", 500))
    rows = [
        {
            "id": hold.id,
            "subscription_id": hold.id,
            "pool_name": platform.specs[hold.pool].name,
            "gpu_count": hold.vgpus,
            "hours_used": _hours([hold], start_us, end_us, now_us),
            "cost": _cost([hold], start_us, end_us, now_us),
            "start_time": date_of(platform.utc_us(hold.created_us)),
            "end_time": None if hold.gone_us is None else date_of(platform.utc_us(hold.gone_us)),
            "status": status_of(hold) if hold.gone_us is None else "unsubscribed",
        }
        for hold in holds[(page - 1) * size :][:size]
    ]
    more = {
        "total_hours": _hours(holds, start_us, end_us, now_us),
        "total_cost": _cost(holds, start_us, end_us, now_us),
        "page": page,
        "per_page": size,
        "total_items": len(holds),
        "total_pages": -(-len(holds) // size),
    }
    wrapper = "metrics" if platform.dice.shows("field_names") else "items"
    return Answer(rows, LIST, page=more, wrapper=wrapper, has_figures=True)


def metrics_graph(platform: Platform, call: Call) -> Answer:
    team, now_us = call.team(), platform.now_us
    name = call.query.get("granularity", "1h")
    if name not in _GRANULARITIES:
        raise ApiError(400, "granularity must be 1h, 1d or 1w")
    step_s = _GRANULARITIES[name]
    start_s = call.number("start_timestamp")
    end_s = call.number("end_timestamp", platform.utc_us(now_us) // MILLION)
    if (end_s - start_s) // step_s > _MOST_INTERVALS:
        raise ApiError(400, "too many points")
    holds = [hold for hold in platform.holds.values() if hold.team == team]
    rows, total = [], 0.0
    for at_s in range(start_s, end_s, step_s):
        from_us = platform.model_us(at_s * MILLION)
        hours = _hours(holds, from_us, min(from_us + step_s * MILLION, platform.model_us(end_s * MILLION)), now_us)
        total += hours
        rows.append({"timestamp": at_s, "value": hours, "tflops": 0, "hours": hours})
    return Answer({"data": rows, "granularity": name, "total_tflops": 0, "total_hours": total}, has_figures=True)

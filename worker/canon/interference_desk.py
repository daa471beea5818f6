"""What a tenant's agents ask of one another's time: check, commit, settle, grant slack, each with an entry in the log.

Because the state an action is judged in can't change before it is committed to (it is one transaction), every agent
keeps the time it had when it committed, whatever the others commit to afterwards, but for what it granted. The entry is
in the log before the caller is told: PLAN for an admitted action, DENY for another, OBSERVATION when one is settled,
STRUCTURE_UPDATE for a grant. The evidence of the first two holds the whole state they were judged in.
"""

from __future__ import annotations

from typing import Any, Final

from worker.canon import why_not
from worker.canon.canon_settings import CanonSettings
from worker.canon.gates_path import Finding
from worker.canon.interference import Allowance, Commitment, Judgement, State, judge
from worker.canon.interference_form import (
    MAX_ACTIONS,
    Case,
    action_from_plain,
    agent_in,
    case_to_plain,
    concerned,
    effect_to_plain,
    judgement_to_plain,
)
from worker.canon.interference_search import Choice, Optimum, optimum_of
from worker.canon.interference_store import (
    Held,
    allowance_in,
    commit_in,
    forget_expired_in,
    release_in,
    state_in,
    write_slack_in,
)
from worker.canon.invariants import INV_NON_INTERFERENCE, Interference, require
from worker.canon.items import MAX_TEXT_CHARACTERS
from worker.canon.judgement import ALLOW, denial_of
from worker.canon.order import Order, Refused, check_members, field_of
from worker.ledger.canonical import MAX_INT, canonical_json
from worker.ledger.entry import DENY, ENTRIES_PER_LOG, OBSERVATION, PLAN, STRUCTURE_UPDATE, append_entry
from worker.ports import Hasher, Sql

COMMIT, CHECK, SETTLE, GRANT = "commit", "check", "settle", "grant"
OWN, SUM = "own", "sum"
#: How an action ends: what it was for is there, or it was given up.
DONE, WITHDRAWN = "done", "withdrawn"
DEFAULT_HOLD_US: Final = 3_600_000_000
MAX_HOLD_US: Final = 30 * 86_400_000_000
MAX_GRANTS: Final = 1_000
_JUDGED: Final = ("act", "agentId", "action", "candidates", "objective", "hold_us")
#: Callers once told these themselves; here they are worked out.
_CLAIMED: Final = ("baselineExpectedTTV", "predictedExpectedTTV")

Told = tuple[int, dict[str, Any], int]


def interference_in(sql: Sql, hasher: Hasher, settings: CanonSettings, log: int, order: Order) -> Told:
    """Check, commit, settle or grant, as `act` says. Returns: HTTP status, answer, entry.

    Raises: Refused; InterferenceError.
    """
    given = order.given
    for name in _CLAIMED:
        if name in given:
            message = f"{name} can't be sent: times are worked out from what is committed"
            raise Refused(400, "baseline_is_computed", message, name)
    act = field_of(given, "act", str, COMMIT)
    if act in (COMMIT, CHECK):
        return _judged(sql, hasher, settings, log, order, is_commit=act == COMMIT)
    if act == SETTLE:
        return _settle(sql, hasher, log, order)
    if act == GRANT:
        return _grant(sql, hasher, settings, log, order)
    raise Refused(400, "invalid_request", f"act must be {COMMIT}, {CHECK}, {SETTLE} or {GRANT}", "act")


def _judged(sql: Sql, hasher: Hasher, settings: CanonSettings, log: int, order: Order, *, is_commit: bool) -> Told:
    """Judge an action, or the best of several, against what is committed; commit to it if that is asked and allowed."""
    given, tenant = order.given, order.tenant
    check_members(given, _JUDGED)
    agent = agent_in(given)
    hold_us = field_of(given, "hold_us", int, DEFAULT_HOLD_US)
    if not 1 <= hold_us <= MAX_HOLD_US:
        raise Refused(400, "invalid_request", f"hold_us must be from 1 to {MAX_HOLD_US}", "hold_us")
    actions = _actions(given, agent)
    forget_expired_in(sql, tenant, order.at_us)
    state, allowance = state_in(sql, hasher, tenant, order.at_us), allowance_in(sql, settings, tenant)
    if len(state.commitments) >= settings.max_agents and state.of(agent) is None:
        message = f"{settings.max_agents} agents are committed, the most at a time: settle what is done"
        raise Refused(409, "too_many_agents", message, "agentId")
    found = optimum_of(state, agent, actions, allowance) if "candidates" in given else None
    if found is None:
        chosen: Commitment | None = actions[0]
        judgement = judge(state, actions[0], allowance)
    else:
        choice = found.own if given.get("objective", OWN) == OWN else found.total
        chosen, judgement = choice.action, choice.judgement
    case = Case(state, actions, allowance)
    expires_us = order.at_us + hold_us if is_commit else None
    entry = _record(sql, hasher, settings, log, order, case, chosen, judgement, expires_us)
    told: dict[str, Any] = {
        "object": "canon_interference",
        "outcome": DENY if judgement.denials else ALLOW,
        "agentId": agent,
        "actionId": None if chosen is None else chosen.action,
        "committed": False,
        "expected_ttv_us": judgement.own_us,
        "effects": [effect_to_plain(effect) for effect in judgement.effects],
    }
    if found is not None:
        told["optimum"] = _optimum_to_plain(found)
    if chosen is not None and judgement.denials:
        told["denialTrace"] = _denied(sql, order, entry, case, chosen, judgement)
    elif chosen is not None and expires_us is not None:
        _commit(sql, order, chosen, entry, expires_us, judgement, allowance)
        told |= {"committed": True, "expires_us": expires_us}
    return 200, told, entry


def _record(
    sql: Sql,
    hasher: Hasher,
    settings: CanonSettings,
    log: int,
    order: Order,
    case: Case,
    chosen: Commitment | None,
    judgement: Judgement,
    expires_us: int | None,
) -> int:
    """Append the entry of a judgement, with the case it was made in. Raises: Refused, if no row could hold that.

    What is committed to at any time follows from the entries alone. Args: expires_us: None = it was only a check.
    """
    name = None if chosen is None else chosen.action
    evidence = canonical_json({**case_to_plain(concerned(case)), **judgement_to_plain(judgement), "selected": name})
    if len(evidence) > settings.max_evidence_bytes:
        message = f"the record would be longer than {settings.max_evidence_bytes} bytes: ask with fewer candidates"
        raise Refused(413, "certificate_too_large", message, "candidates")
    admitted = not judgement.denials
    act = CHECK if expires_us is None else COMMIT
    said: dict[str, Any] = {"action": name, "admitted": admitted, "agent": agent_in(order.given), "interference": act}
    if admitted and name is not None and expires_us is not None:
        said["expires_us"] = expires_us
    payload, kind = canonical_json(said).decode(), PLAN if admitted else DENY
    return append_entry(sql, hasher, order.tenant, log, kind, order.at_us, payload, evidence.decode())


def _actions(given: dict[str, Any], agent: str) -> tuple[Commitment, ...]:
    """The one action, or the candidates. Raises: Refused; InterferenceError."""
    if ("action" in given) == ("candidates" in given):
        raise Refused(400, "invalid_request", "give action, or candidates to choose from", "action")
    if "action" in given:
        if "objective" in given:
            raise Refused(400, "invalid_request", "objective is for candidates", "objective")
        return (action_from_plain(given["action"], agent, "action"),)
    if given.get("objective", OWN) not in (OWN, SUM):
        raise Refused(400, "invalid_request", f"objective must be {OWN} or {SUM}", "objective")
    listed = field_of(given, "candidates", list, [])
    if not 1 <= len(listed) <= MAX_ACTIONS:
        raise Refused(400, "invalid_request", f"candidates must be 1 to {MAX_ACTIONS} actions", "candidates")
    actions = tuple([action_from_plain(one, agent, f"candidates[{at}]") for at, one in enumerate(listed)])
    if len({action.action for action in actions}) != len(actions):
        raise Refused(400, "invalid_request", "candidates must not hold an id twice", "candidates")
    return actions


def _commit(
    sql: Sql,
    order: Order,
    action: Commitment,
    entry: int,
    expires_us: int,
    judgement: Judgement,
    allowance: Allowance,
) -> None:
    """Commit to an admitted action. Raises: StateError, and then nothing is recorded, if it harms anybody after all."""
    known = [effect for effect in judgement.effects if effect.before_us is not None and effect.after_us is not None]
    before = {effect.agent: effect.before_us or 0 for effect in known}
    after = {effect.agent: effect.after_us or 0 for effect in known}
    allowed = {effect.agent: effect.allowed_us for effect in judgement.effects}
    require(INV_NON_INTERFERENCE, Interference(action.agent, before, after, allowed))
    assert judgement.own_us is not None
    commit_in(sql, order.tenant, action, entry % ENTRIES_PER_LOG, Held(order.at_us, judgement.own_us, expires_us))
    for agent, left_us in allowance.after(judgement.effects).slack_us.items():
        if left_us != allowance.slack_us[agent]:
            write_slack_in(sql, order.tenant, agent, left_us)


def _denied(sql: Sql, order: Order, entry: int, case: Case, action: Commitment, judgement: Judgement) -> dict[str, Any]:
    findings = [Finding(denial, action.action) for denial in judgement.denials]
    fixes = _fixes(case.state, action, judgement, case.allowance)
    trace = why_not.trace_of(why_not.NON_INTERFERENCE, order.at_us, action.action, "", findings, fixes)
    (name,) = why_not.note_denials_in(sql, order.tenant, entry, [trace])
    return denial_of({"id": name, **trace})


def _fixes(state: State, action: Commitment, judgement: Judgement, allowance: Allowance) -> list[dict[str, Any]] | None:
    """The slack each harmed agent would have to grant, made sure by granting it; None where no slack would do."""
    needed = {}
    for effect in judgement.effects:
        if effect.is_harm and effect.delta_us is not None:
            needed[effect.agent] = effect.delta_us - allowance.eps_us
    granted = allowance._replace(slack_us={**allowance.slack_us, **needed})
    if judge(state, action, granted).denials:
        return None
    return [
        {"op": GRANT, "subject": agent, "value": slack_us, "by": slack_us - allowance.slack_us.get(agent, 0)}
        for agent, slack_us in needed.items()
    ]


def _settle(sql: Sql, hasher: Hasher, log: int, order: Order) -> Told:
    """End a commitment, and record how long it took beside what was expected."""
    given = order.given
    check_members(given, ("act", "agentId", "outcome"))
    agent = agent_in(given)
    outcome = field_of(given, "outcome", str, DONE)
    if outcome not in (DONE, WITHDRAWN):
        raise Refused(400, "invalid_request", f"outcome must be {DONE} or {WITHDRAWN}", "outcome")
    forget_expired_in(sql, order.tenant, order.at_us)
    released = release_in(sql, order.tenant, agent)
    if released is None:
        raise Refused(404, "not_committed", "this agent is committed to nothing, or to nothing any more", "agentId")
    action, held = released
    elapsed_us = max(0, order.at_us - held.at_us)
    said = {
        "action": action,
        "agent": agent,
        "elapsed_us": elapsed_us,
        "expected_ttv_us": held.own_us,
        "interference": SETTLE,
        "outcome": outcome,
    }
    payload = canonical_json(said).decode()
    entry = append_entry(sql, hasher, order.tenant, log, OBSERVATION, order.at_us, payload)
    told = {"agentId": agent, "actionId": action, "outcome": outcome}
    times = {"elapsed_us": elapsed_us, "expected_ttv_us": held.own_us}
    return 200, {"object": "canon_settlement", **told, **times}, entry


def _grant(sql: Sql, hasher: Hasher, settings: CanonSettings, log: int, order: Order) -> Told:
    """Say how much later others may make an agent from now on, all together; 0 takes back what is left."""
    given = order.given
    check_members(given, ("act", "agentId", "slack_us", "reason"))
    agent, slack_us, reason = agent_in(given), field_of(given, "slack_us", int), field_of(given, "reason", str, "")
    if slack_us is None or not 0 <= slack_us <= MAX_INT:
        raise Refused(400, "invalid_request", "slack_us must be microseconds, 0 or more", "slack_us")
    if not 1 <= len(reason) <= MAX_TEXT_CHARACTERS:
        message = f"reason must say why, in at most {MAX_TEXT_CHARACTERS} characters: it is what the log keeps"
        raise Refused(400, "invalid_request", message, "reason")
    granted = allowance_in(sql, settings, order.tenant).slack_us
    if slack_us and agent not in granted and len(granted) >= MAX_GRANTS:
        raise Refused(409, "too_many_agents", f"{MAX_GRANTS} agents have granted slack, the most", "agentId")
    before_us = granted.get(agent, 0)
    said = {"agent": agent, "from_us": before_us, "interference": GRANT, "reason": reason, "slack_us": slack_us}
    payload = canonical_json(said).decode()
    entry = append_entry(sql, hasher, order.tenant, log, STRUCTURE_UPDATE, order.at_us, payload)
    write_slack_in(sql, order.tenant, agent, slack_us)
    return 200, {"object": "canon_slack", "agentId": agent, "slack_us": slack_us, "from_us": before_us}, entry


def _optimum_to_plain(found: Optimum) -> dict[str, Any]:
    """Both optima, and every choice; `""` is the no-op."""

    def told(choice: Choice) -> dict[str, Any]:
        return {
            "id": choice.name,
            "admissible": choice.is_admissible,
            "own_us": choice.judgement.own_us,
            "sum_us": choice.sum_us,
            "denials": [denial.to_text() for denial in choice.judgement.denials],
        }

    return {"own": found.own.name, "sum": found.total.name, "choices": [told(choice) for choice in found.choices]}

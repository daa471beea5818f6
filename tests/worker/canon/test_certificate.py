"""A certificate proves one decision: whoever changes anything in it is found out, whether or not it is sealed anew."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.worker.canon.problem_kit import HASHER, candidate, cite, decided, features, item, path
from tests.worker.decision_kit import ALPHA, BETA, config, facts, settlement, world
from worker.admission import Attempt
from worker.admitting import MediatorConfig
from worker.canon import codes
from worker.canon.certificate import CertificateError, certificate_of, verify_certificate
from worker.canon.certificate_form import sealed
from worker.canon.codes import Denial
from worker.canon.decide import ROW_COLUMNS
from worker.covenant.policy import Policy
from worker.errors import CanonicalError
from worker.ledger.canonical import CanonicalValue, canonical_json

HARM = Denial(codes.NON_INTERFERENCE_VIOLATION, "victim", 0, 5)


def problem_certificate() -> dict[str, Any]:
    """A certificate in which every member holds something: denials of three kinds, a warning, two admissible paths."""
    resolution = decided(
        path("a", {"tags": ["pay"], "prerequisites": ["law"], "cites": [cite("law")]}, cost_usd_micros=3),
        path("b", {"tags": ["pay"], "cites": [cite("law")], "writes": ["disk"]}, ttv_us=500),
        path("c", {"tags": ["pay"]}, risk_ppm=900_000),
        path("d", {"tags": ["pay"], "cites": [cite("law")]}, ttv_us=1),
        {
            "id": "e",
            "actions": [{"id": "e.1", "cites": [cite("law")]}],
            "scenarios": [{"weight_ppm": 1, **features()}, {"weight_ppm": 999_999, **features(ttv_us=7)}],
        },
        goal="prove it",
        bounds={"max_risk_ppm": 500_000, "required_kinds": ["policy"]},
        canon=[item("law")],
        invariants=[
            {"id": "soft", "severity": "SOFT_FAIL", "rule": {"op": "forbids", "field": "writes", "name": "disk"}}
        ],
        extra={"d.1": (HARM,)},
    )
    evidence: dict[str, CanonicalValue] = {"d.1": {"baseline_us": 10, "predicted_us": 15}}
    certificate = certificate_of(resolution.problem, resolution, HASHER, evidence)
    plain: dict[str, Any] = json.loads(canonical_json(certificate))
    return plain


async def request_certificates() -> list[dict[str, Any]]:
    """Of a request that was served, one in a state that has a history, and one that was refused."""
    settings = config(default_cap=10**6)
    found = []
    async with world(settings) as state:
        await state.mediator.admit(facts(1))
        await state.mediator.settle(settlement(1))
        for number in (2, 3, 4):
            await state.mediator.admit(facts(number))
            failed = (Attempt(ALPHA, "connect", 0, 1),)
            await state.mediator.settle(settlement(number, usage="none", attempts=failed))
        asked = facts(5, policy=Policy(deadline_us=20_000_000, quality="medium", priority="balanced"))
        await state.mediator.admit(asked)
        await state.mediator.admit(facts(6, guardrails=("GUARDRAIL_INJECTION:500000:700000",)))
        for number in (1, 5, 6):
            told = await state.mediator.certificate("acme", facts(number).decision_id)
            assert told is not None
            found.append(json.loads(json.dumps(told["certificate"])))
    return found


def places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every single value of a JSON document is, objects and lists included."""
    if where:
        yield where
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], (*where, name))
    elif isinstance(value, list):
        for at in range(len(value)):
            yield from places(value[at], (*where, at))


def mutations(value: Any) -> list[Any]:
    """Other values of the same type, of another type, and (for objects and lists) with one thing more or less."""
    if isinstance(value, bool):
        return [not value, int(value), None]
    if isinstance(value, int):
        return [value + 1, value - 1, bool(value), str(value), None]
    if isinstance(value, str):
        return [value + "x", value[1:], None, 0] if value else ["x", None]
    if isinstance(value, list):
        return [[*value, 0], value[1:] if value else [None], {}, None]
    if isinstance(value, dict):
        return [{**value, "surprise": 0}, dict([*value.items()][1:]) if value else {"x": 1}, [], None]
    return [0, "", []]


def mutated(plain: dict[str, Any], where: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(plain)
    inner: Any = changed
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = value
    return changed


def same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def refuse_every_mutation(plain: dict[str, Any], inputs: tuple[tuple[Any, ...], ...]) -> tuple[int, int]:
    """Change every value in every way. Returns: how many changes were tried, and how many also with a new seal.

    Args: inputs: places whose values are given rather than derived. Sealed anew, a change there can be a sound
    certificate of another decision, but never with the same digest.
    """
    verify_certificate(plain, HASHER)
    tried = resealed = 0
    for where in places(plain):
        value: Any = plain
        for step in where:
            value = value[step]
        for other in mutations(value):
            if same(other, value):
                continue
            tried += 1
            changed = mutated(plain, where, other)
            with pytest.raises(CertificateError) as refused:
                verify_certificate(changed, HASHER)
            assert refused.value.param
            if where == ("digest",):
                continue
            try:
                anew = sealed({key: inner for key, inner in changed.items() if key != "digest"}, HASHER)
            except CanonicalError:
                continue
            if any(where[: len(place)] == place for place in inputs):
                with contextlib.suppress(CertificateError):
                    verify_certificate(anew, HASHER)
                assert anew["digest"] != plain["digest"]
                continue
            resealed += 1
            with pytest.raises(CertificateError):
                verify_certificate(anew, HASHER)
    return tried, resealed


def test_every_single_field_of_a_problem_s_certificate_is_guarded() -> None:
    tried, resealed = refuse_every_mutation(problem_certificate(), (("problem",), ("extra",)))
    assert tried > 1_000
    assert resealed > 400


async def test_every_single_field_of_a_request_s_certificate_is_guarded() -> None:
    """What is derived is refused even under a new seal; the record's inputs are pinned by the digest in the log."""
    inputs = (
        ("catalogue",),
        ("decision", "request"),
        ("decision", "redacted"),
        ("decision", "classification"),
        ("decision", "load"),
        ("decision", "accounts"),
        ("decision", "policy"),
    )
    certificates = await request_certificates()
    assert [one["selected"] for one in certificates] == [ALPHA, BETA, None]
    for plain in certificates[1:2]:
        tried, resealed = refuse_every_mutation(plain, inputs)
        assert tried > 500
        assert resealed > 100
    for plain in certificates:
        verify_certificate(plain, HASHER)


async def test_what_a_record_derives_is_refused_even_where_both_digests_are_made_anew() -> None:
    """Every cell of a candidate's row but what was observed, every place of the ranking, every unconfigured route."""
    for plain in await request_certificates():
        record = plain["decision"]
        changed: list[tuple[str, Any]] = [("ranking", other) for other in ([*record["ranking"], 0], [1, 1], [True])]
        changed += [("ranking", record["ranking"][::-1] or [0]), ("unconfigured", ["x"]), ("candidates", [])]
        for at, row in enumerate(record["candidates"]):
            for column, cell in enumerate(row.split(" ")):
                if ROW_COLUMNS[column].startswith("observed"):
                    continue
                cells = row.split(" ")
                cells[column] = str(int(cell) + 1) if cell.isdecimal() else cell + "x"
                rows = [*record["candidates"]]
                rows[at] = " ".join(cells)
                changed.append(("candidates", rows))
        for member, value in changed:
            if same(value, record[member]):
                continue
            forged = {**plain, "decision": {**record, member: value}}
            forged["decision_digest"] = HASHER.sha3_256(canonical_json(forged["decision"])).hex()
            forged = sealed({key: inner for key, inner in forged.items() if key != "digest"}, HASHER)
            with pytest.raises(CertificateError):
                verify_certificate(forged, HASHER)


JUNK: tuple[Any, ...] = (None, True, -1, 2**53 - 1, "", "x", "\u0661", [], {}, [None], [[]], ["a:b", 1, 2, 3])


async def test_junk_in_a_record_is_refused_by_the_one_error_or_is_a_record_all_the_same() -> None:
    """With every digest made anew: nothing else is raised, and no type passes for another."""
    plain = (await request_certificates())[1]
    accepted = set()
    for where in [where for where in places(plain) if where[0] == "decision"]:
        value: Any = plain
        for step in where:
            value = value[step]
        for junk in JUNK:
            forged = mutated(plain, where, junk)
            if same(junk, value) or type(forged["decision"]) is not dict:
                continue
            forged["decision_digest"] = HASHER.sha3_256(canonical_json(forged["decision"])).hex()
            forged = sealed({name: inner for name, inner in forged.items() if name != "digest"}, HASHER)
            with contextlib.suppress(CertificateError):
                verify_certificate(forged, HASHER)
                accepted.add((*where[1:], type(value).__name__, type(junk).__name__))
    # Texts and figures that decide nothing here, and what was not asked for: each of the type that it has to be.
    for place in sorted(accepted, key=str):
        assert place[-1] == place[-2] or "NoneType" in place[-2:], place
    assert len(accepted) < 40


async def test_an_input_that_was_changed_and_sealed_anew_has_another_digest_than_the_log() -> None:
    """The negative case: a consistent forgery verifies. That it is one, the digest in the ledger says."""
    served, _, _ = await request_certificates()
    forged = copy.deepcopy(served)
    forged["decision"]["request"] = "sha256:" + "1" * 64
    forged["decision_digest"] = HASHER.sha3_256(canonical_json(forged["decision"])).hex()
    forged = sealed({key: value for key, value in forged.items() if key != "digest"}, HASHER)
    verify_certificate(forged, HASHER)
    assert forged["decision_digest"] != served["decision_digest"]


async def test_a_request_s_certificate_holds_the_digest_that_the_log_holds_and_no_address() -> None:
    async with world(config()) as state:
        admission = await state.mediator.admit(facts())
        told = await state.mediator.certificate("acme", facts().decision_id)
        assert await state.mediator.certificate("other", facts().decision_id) is None
        assert await state.mediator.certificate("acme", "dec_" + "f" * 32) is None
    assert told is not None
    certificate = told["certificate"]
    assert certificate["decision_digest"] == admission.digest
    assert "default_base_url" not in json.dumps(certificate)
    terms = [sum(one.values()) for one in certificate["terms"]]
    assert terms == [int(row.split(" ")[-2]) for row in certificate["decision"]["candidates"]]


CASES: dict[str, dict[str, Any]] = {
    "money": {"policy": Policy(budget_usd_micros=70)},
    "an unset output limit": {"max_output_tokens": 0, "policy": Policy(budget_usd_micros=200)},
    "too little": {"policy": Policy(budget_usd_micros=1)},
    "per million": {"policy": Policy(budget_usd_micros=3_000_000, budget_scope="per_1m_tokens")},
    "a day": {"policy": Policy(budget_usd_micros=500, budget_scope="per_day")},
    "a deadline": {"policy": Policy(deadline_us=115_000)},
    "residency": {"policy": Policy(residency=("FR",))},
    "a requirement": {"policy": Policy(requirements=("redact_pii",)), "redactable": ("email:1",)},
    "an unmet requirement": {"policy": Policy(requirements=("redact_pii",))},
    "redacted always": {"redactable": ("email:1", "iban:2"), "redact_always": True},
    "guardrails": {"guardrails": ("GUARDRAIL_INJECTION:500000:700000", "GUARDRAIL_PERSONAL_DATA:0:1")},
    "a model": {"model": "beta/m"},
    "needs": {"needs": ("json", "chat")},
    "other needs": {"needs": ("images",)},
}
SETTINGS: dict[str, MediatorConfig] = {
    "usual": config(),
    "authority": config(allowed={"acme": frozenset({"beta"})}),
    "one configured": config(configured=frozenset({"alpha"})),
    "none configured": config(configured=frozenset()),
    "a cap": config(default_cap=100),
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
async def test_whatever_decided_a_request_its_certificate_derives_it_again(
    changes: dict[str, Any], settings: MediatorConfig
) -> None:
    async with world(settings) as state:
        await state.mediator.admit(facts(1)._replace(**changes))
        told = await state.mediator.certificate("acme", facts(1).decision_id)
    assert told is not None
    verify_certificate(json.loads(json.dumps(told["certificate"])), HASHER)


@pytest.mark.parametrize("plain", [None, [], "x", 1, {}, {"kind": "problem"}, {"kind": "request"}, {"kind": []}])
def test_what_is_no_certificate_is_refused_by_the_same_error(plain: Any) -> None:
    with pytest.raises(CertificateError):
        verify_certificate(plain, HASHER)


def test_the_certificate_of_no_candidates_holds_too() -> None:
    for resolution in (decided(), decided(candidate("a", success_ppm=0))):
        certificate = certificate_of(resolution.problem, resolution, HASHER)
        assert certificate["selected"] is None
        verify_certificate(certificate, HASHER)

"""Decisions that rest on readings of pools drawn by a seed, and their certificates; used by tests and in workerd."""

from __future__ import annotations

import json
from random import Random

from worker.admission import Facts
from worker.admitting import MediatorConfig, catalogue_hash, weigh
from worker.budget import Account
from worker.canon.certificate import certificate_of_request, verify_certificate
from worker.classification import Classification
from worker.covenant.policy import Policy
from worker.ports import Hasher
from worker.routing.candidates import build_candidates
from worker.routing.catalogue import compile_catalogue, pool_of
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.routing.identity import hashed_form
from worker.routing.pool_readings import Learnt, parse_told, told_text, with_readings
from worker.routing.pool_waits import MILLION, SPATIAL, TEMPORAL, PoolReading
from worker.tenants.standing import standing_of

PRIORITIES = (None, "balanced", "cost_optimized", "max_performance", "max_security")


def prove(seed: int, hasher: Hasher) -> str:
    """The digest of the seed's decision. Raises: AssertionError; CertificateError."""
    random, compiled = Random(seed), compile_catalogue(DEFAULT_CATALOGUE)
    providers = frozenset({"simulator", "hosted-ai", "groq"})
    config = MediatorConfig(compiled, catalogue_hash(hasher, compiled), providers, {})
    facts = _facts(random)
    shared = [route for route in compiled.routes if route.is_shared]
    readings = {pool_of(route): _reading(random) for route in shared if random.random() < 0.8}
    live = {route.id: (random.randrange(9), random.randrange(100_000, 10_000_000)) for route in shared}
    observed, used = with_readings(compiled, "auto", Learnt({}, live, readings), {}, providers)
    candidates = build_candidates(compiled, "auto", facts.load, observed, providers, used)
    weighed = weigh(config, facts, standing_of(config, "acme"), [Account("request", None, 0, 0)], candidates, used)
    record = json.loads(weighed.record)
    form = hashed_form(compiled.canonical, hasher.sha3_256)
    verify_certificate(certificate_of_request(record, form, hasher, compiled), hasher)
    assert ("pools" in record) == bool(used)
    return hasher.sha3_256(weighed.record.encode()).hex()


def _reading(random: Random) -> PoolReading:
    quantum_ms = random.choice((2, 10, 30, 90)) * 1_000
    reading = PoolReading(
        random.choice((SPATIAL, TEMPORAL)),
        quantum_ms * 1_000,
        random.randrange(3_000) * 1_000,
        random.randrange(quantum_ms) * 1_000,
        random.randrange(9),
        random.randrange(MILLION + 1),
    )
    assert parse_told(told_text(reading)) == reading
    return reading


def _facts(random: Random) -> Facts:
    return Facts(
        tenant="acme",
        decision_id="dec_0",
        request_id="req_0",
        at_us=0,
        request_digest="sha256:" + "0" * 64,
        model="auto",
        policy=Policy(deadline_us=random.choice((None, 5_000_000, 30_000_000)), priority=random.choice(PRIORITIES)),
        classification=Classification("moderate", random.randrange(500_000), "other", random.randrange(900), "test-1"),
        input_bytes=random.randrange(9_000),
        images=0,
        choices=1,
        max_output_tokens=0,
        needs=(),
        time_limit_us=30_000_000,
        session_id="",
        user_id="",
    )

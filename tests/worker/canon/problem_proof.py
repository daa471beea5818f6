"""One random problem held against everything that is claimed of every problem; used by tests, a command and Pyodide."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from tests.worker.canon.random_problems import brute_force, random_problem
from worker.canon.certificate import certificate_of, verify_certificate
from worker.canon.codes import Denial
from worker.canon.explain import differences
from worker.canon.problem import problem_to_plain, read_problem
from worker.canon.resolve import resolve
from worker.ledger.canonical import canonical_json, parse_canonical
from worker.ports import Hasher


def prove(seed: int, hasher: Hasher) -> bytes:
    """The certificate of the seed's problem. Raises: AssertionError where a claim does not hold."""
    plain, extra_plain = random_problem(seed, hasher.sha3_256)
    extra = {name: tuple([Denial(**denial) for denial in denials]) for name, denials in extra_plain.items()}
    expected = brute_force(plain, extra_plain, hasher.sha3_256)

    problem = read_problem(plain, hasher)
    found = resolve(problem, hasher, extra)
    names = [path.id for path in problem.candidates]
    assert [names[position] for position in found.ranking] == expected.ranking, seed
    assert found.selected == (expected.ranking[0] if expected.ranking else None), seed
    totals = {name: total for name, total in zip(names, found.totals, strict=True) if total is not None}
    assert totals == expected.totals, seed
    verdicts = dict(zip(names, found.verdicts, strict=True))
    codes = {name: list(verdict.reason_codes) for name, verdict in verdicts.items() if verdict.findings}
    assert codes == expected.codes, seed
    for difference in differences(found):
        assert sum(difference.parts) == difference.total_us, seed
        assert difference.total_us == totals[difference.candidate] - totals[difference.selected], seed

    certificate = canonical_json(certificate_of(problem, found, hasher))
    verify_certificate(parse_canonical(certificate), hasher)
    assert canonical_json(_again(json.loads(certificate)["problem"], extra, hasher)) == certificate, seed
    assert canonical_json(_again(_shuffled(plain, seed), extra, hasher)) == certificate, seed
    assert read_problem(problem_to_plain(problem), hasher) == problem, seed
    return certificate


def _again(plain: dict[str, Any], extra: dict[str, tuple[Denial, ...]], hasher: Hasher) -> dict[str, Any]:
    problem = read_problem(plain, hasher)
    return certificate_of(problem, resolve(problem, hasher, extra), hasher)


def _shuffled(plain: dict[str, Any], seed: int) -> dict[str, Any]:
    """The same problem with everything that has no order of its own in another one."""
    random = Random(seed + 1)
    shuffled: dict[str, Any] = json.loads(json.dumps(plain))
    for name in ("candidates", "canon", "invariants"):
        random.shuffle(shuffled.get(name, []))
    for candidate in shuffled["candidates"]:
        for action in candidate.get("actions", []):
            for name in ("tags", "prerequisites", "cites", "resources", "writes"):
                random.shuffle(action.get(name, []))
    return dict(reversed(shuffled.items()))

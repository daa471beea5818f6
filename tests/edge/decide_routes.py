"""What proof_entry.py answers about the decision engine, for tests/edge/test_decide.py and bench/canon.py."""

from __future__ import annotations

import json
import sys

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from worker.canon.problem import read_problem
from worker.canon.resolve import resolve
from worker.edge.host import EdgeHasher


async def prove_problems(request: Request) -> Response:
    """The digests of the certificates of consecutive seeds' problems, each held against brute force."""
    # These two are staged beside this file; what the second calls the first by is where it lies in the checkout.
    import random_problems

    sys.modules["tests.worker.canon.random_problems"] = random_problems
    from problem_proof import prove

    hasher = EdgeHasher()
    await hasher.load()
    first, count = int(request.query_params["first"]), int(request.query_params["count"])
    return JSONResponse([json.loads(prove(seed, hasher))["digest"] for seed in range(first, first + count)])


async def prove_readings(request: Request) -> Response:
    """The digests of consecutive seeds' decisions that rest on readings of pools."""
    import readings_proof

    hasher = EdgeHasher()
    await hasher.load()
    first, count = int(request.query_params["first"]), int(request.query_params["count"])
    return JSONResponse([readings_proof.prove(seed, hasher) for seed in range(first, first + count)])


async def decide_often(request: Request) -> Response:
    """The selection of one problem, decided so many times: the client's clock says how long one takes."""
    hasher = EdgeHasher()
    await hasher.load()
    problem = read_problem(json.loads(await request.body()), hasher)
    for _ in range(int(request.query_params["times"]) - 1):
        resolve(problem, hasher)
    return JSONResponse(resolve(problem, hasher).selected)


DECIDE_ROUTES = [
    Route("/problems", prove_problems),
    Route("/readings", prove_readings),
    Route("/decide", decide_often, methods=["POST"]),
]

"""What proof_entry.py answers about the kernel, for tests/edge/test_kernel.py; never deployed."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from worker.classification import classification_of
from worker.edge.kernel_module import KernelScorer, load_kernel
from worker.errors import StateError


async def ask_kernel(request: Request) -> Response:
    """Scores and digests of texts and messages, each given in hexadecimal and how often it is repeated."""
    scorer = KernelScorer()
    await scorer.load()
    kernel, asked = load_kernel(), await request.json()
    texts, messages = ([bytes.fromhex(part) * times for part, times in asked[name]] for name in ("texts", "messages"))
    return JSONResponse(
        {
            "scores": [asdict(kernel.score(text)) for text in texts],
            "same": all(scorer.score(text) == classification_of(kernel.score(text)) for text in texts[:9]),
            "digests": [kernel.sha3_256(message).hex() for message in messages],
        }
    )


async def chain_digests(request: Request) -> Response:
    """A chain of digests, each the message of the next, as FIPS 202 tests have it, and every hundredth link."""
    asked = await request.json()
    kernel, digest, links = load_kernel(), bytes.fromhex(asked["seed"]), []
    for number in range(1, asked["links"] + 1):
        digest = kernel.sha3_256(digest)
        if not number % 100:
            links.append(digest.hex())
    return JSONResponse(links)


async def load_no_kernel(_request: Request) -> Response:
    """What is said where no kernel was uploaded, where another module was, and before loading."""
    said = []
    for module in ("wasm_classifier/none.wasm", "worker/ports.py"):
        try:
            load_kernel(module)
        except StateError as problem:
            said.append(str(problem))
    try:
        KernelScorer().score(b"")
    except StateError as problem:
        said.append(str(problem))
    return JSONResponse(said)


KERNEL_ROUTES = [
    Route("/kernel", ask_kernel, methods=["POST"]),
    Route("/kernel/chain", chain_digests, methods=["POST"]),
    Route("/no-kernel", load_no_kernel),
]

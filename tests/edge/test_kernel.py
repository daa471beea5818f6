"""The kernel in real workerd: the reference's answers to every recorded text, and a plain word where there is none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx

from tests.edge.harness import EdgeWorker
from tests.edge.hosts import client_of
from tests.wasm_classifier.kernel_cases import Case, expected, message_cases, text_cases

FAILURE_BOUND_S = 60
#: Hexadecimal digits of the cases of one request: the Worker takes 100,000 bytes.
BATCH_DIGITS = 80_000


def batches(cases: list[Case]) -> Iterator[list[Case]]:
    batch: list[Case] = []
    for case in cases:
        if batch and sum(len(digits) + 16 for digits, _ in [*batch, case]) > BATCH_DIGITS:
            yield batch
            batch = []
        batch.append(case)
    yield batch


async def ask(client: httpx.AsyncClient, texts: list[Case], messages: list[Case]) -> dict[str, Any]:
    answer = await client.post("/kernel", json={"texts": texts, "messages": messages})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def test_the_worker_gives_the_reference_s_answers(proof_worker: EdgeWorker) -> None:
    async with httpx.AsyncClient(base_url=proof_worker.url, timeout=FAILURE_BOUND_S) as client:
        for texts in batches(text_cases()):
            assert await ask(client, texts, []) == {**expected(texts, []), "same": True}
        messages = message_cases()
        assert (await ask(client, [], messages))["digests"] == expected([], messages)["digests"]


async def test_a_monte_carlo_chain(proof_worker: EdgeWorker) -> None:
    """NIST's SHA3VS section 6.2.3, from a seed of our own: each digest is the next message."""
    seed = hashlib.sha256(b"seed").digest()
    async with httpx.AsyncClient(base_url=proof_worker.url, timeout=FAILURE_BOUND_S) as client:
        answer = await client.post("/kernel/chain", json={"seed": seed.hex(), "links": 2_000})
    assert answer.status_code == 200, answer.text
    expected_links, digest = [], seed
    for number in range(1, 2_001):
        digest = hashlib.sha3_256(digest).digest()
        if not number % 100:
            expected_links.append(digest.hex())
    assert answer.json() == expected_links


async def test_what_is_no_kernel_is_refused_with_a_reason(proof_worker: EdgeWorker) -> None:
    async with httpx.AsyncClient(base_url=proof_worker.url, timeout=FAILURE_BOUND_S) as client:
        missing, another, unloaded = (await client.get("/no-kernel")).json()
    assert missing.startswith("The kernel can't be used: Failed to import 'wasm_classifier/none.wasm'")
    assert another.startswith("The kernel can't be used: ")
    assert unloaded == "The scorer has not been loaded."


async def test_the_product_says_that_the_kernel_classified(product_worker: EdgeWorker) -> None:
    async with client_of(product_worker.url, "chat") as client:
        answer = await client.post("/classify", json={"text": "hello"})
    assert answer.json()["engine"]["scorer"] == "KernelScorer", answer.text

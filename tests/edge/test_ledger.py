"""The ledger in a real Durable Object: signed by WebCrypto, proved, exported and verified at home, and erased from."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.adapters.ed25519_signer import Ed25519Signer, is_signed
from tests.edge.harness import EdgeWorker
from tests.edge.hosts import client_of, read_settled, settings
from tests.gateway.commands.command_kit import run
from tests.worker.ledger.log_kit import PUBLIC_KEY, SEED, SHA3
from worker.ledger.checkpoint import checkpoint_from_text
from worker.ledger.entry import leaf_hash
from worker.ledger.merkle import verify_consistency, verify_inclusion

ADMIN = "hk_admin_" + "0123456789" * 3
QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}]}


@pytest.fixture(scope="module")
def worker(gateway: str) -> Iterator[EdgeWorker]:
    """The product's Worker with a key to sign with, an administrator, and the gateway's simulator to ask."""
    secrets = {"LEDGER_SIGNING_KEY": SEED.hex(), "HARPOON_ADMIN_TOKEN": ADMIN}
    with EdgeWorker(
        label="ledger", variables={**settings(["logged"], {}), **secrets, "GATEWAY_URL": gateway}
    ) as worker:
        yield worker


@pytest.fixture
async def client(worker: EdgeWorker) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(worker.url, "logged") as client:
        yield client


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(f"/api/ledger/{path}", params=query)
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


async def chat(client: httpx.AsyncClient, **headers: str) -> None:
    answer = await client.post("/v1/chat/completions", json=QUESTION, headers=headers)
    assert answer.status_code == 200, answer.text
    await read_settled(client, answer.headers["x-harpoon-decision-id"])


async def test_a_log_is_signed_proved_and_verified(client: httpx.AsyncClient) -> None:
    await chat(client)
    early = await get(client, "checkpoint")
    checkpoint = checkpoint_from_text(early["text"])
    assert early["public_key"] == PUBLIC_KEY.hex()
    assert is_signed(PUBLIC_KEY, checkpoint.signed, checkpoint.signature)
    # Ed25519 leaves nothing to chance, so both hosts sign the same text alike.
    signer = Ed25519Signer(SEED)
    await signer.load()
    assert checkpoint.signature == await signer.sign(checkpoint.signed)
    await chat(client)
    late = await get(client, "checkpoint")
    proof = await get(client, "proof", first=early["size"], second=late["size"])
    path = [bytes.fromhex(step) for step in proof["path"]]
    roots = bytes.fromhex(early["root"]), bytes.fromhex(late["root"])
    verify_consistency(SHA3, early["size"], late["size"], path, *roots)
    for one in (await get(client, "entries"))["data"]:
        leaf = leaf_hash(SHA3, one["entry"].encode())
        proof = await get(client, "proof", entry=one["seq"], size=late["size"])
        path = [bytes.fromhex(step) for step in proof["path"]]
        verify_inclusion(SHA3, leaf, one["seq"], late["size"], path, roots[1])
    report = await get(client, "verify")
    assert (report["ok"], report["root"], report["checkpoints"]) == (True, late["root"], 2)


async def test_many_entries_make_tiles_and_an_object_that_starts_anew_goes_on(
    worker: EdgeWorker, client: httpx.AsyncClient
) -> None:
    denied = {**QUESTION, "covenant": {"budget_usd": 0.000001}, "model": "openai/gpt-4o-mini"}
    for _ in range(300):
        answer = await client.post("/v1/chat/completions", json=denied)
        assert answer.status_code in (402, 403), answer.text
    before = await get(client, "checkpoint")
    assert before["size"] > 300
    worker.restart(crash=True)
    assert await get(client, "checkpoint") == before
    await chat(client)
    report = await get(client, "verify")
    assert (report["ok"], report["size"]) == (True, before["size"] + 2), report
    proof = await get(client, "proof", first=before["size"])
    path = [bytes.fromhex(step) for step in proof["path"]]
    roots = bytes.fromhex(before["root"]), bytes.fromhex(report["root"])
    verify_consistency(SHA3, before["size"], report["size"], path, *roots)


async def test_an_export_is_verified_at_home_and_erasure_leaves_it_verifiable(
    worker: EdgeWorker, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    await chat(client, **{"x-user-id": "lovelace", "x-session-id": "s-1"})
    where = {"HARPOON_URL": worker.url, "HARPOON_TOKEN": client.headers["authorization"].removeprefix("Bearer ")}
    kept, before, after = (tmp_path / name for name in ("kept.txt", "before.jsonl", "after.jsonl"))
    kept.write_text(run("ledger", "checkpoint", **where).stdout)
    before.write_text(run("ledger", "export", "--openings", **where).stdout)
    assert "lovelace" in before.read_text()
    body = {"user_id": "lovelace"}
    answer = await client.post(
        "/admin/tenants/logged/erasures", json=body, headers={"authorization": f"Bearer {ADMIN}"}
    )
    assert (answer.status_code, answer.json()["entries"]) == (200, 1), answer.text
    after.write_text(run("ledger", "export", "--openings", **where).stdout)
    assert "lovelace" not in after.read_text()
    for file in (before, after):
        arguments = ("--checkpoint", str(kept), "--key", PUBLIC_KEY.hex(), "--json")
        done = run("ledger", "verify", str(file), *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        report = json.loads(done.stdout)
        assert (report["ok"], report["erased"]) == (True, 1 if file is after else 0)
    assert (await get(client, "verify"))["erased"] == 1

"""A log with everything that a log can have in it, as rows of a database and as the lines of an export."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gateway.adapters.ed25519_signer import Ed25519Signer, is_signed
from tests.worker.decision_kit import BETA, NOW_US, SECOND_US, World, facts, fallback, hasher, settlement
from worker.ledger.audit import Report
from worker.ledger.checkpoint import Checkpoint, key_id_of
from worker.ledger.export import checkpoint_line, entry_line, header_line, verify_export
from worker.sessions.desk import APPEND
from worker.tenants.administration import Order

SHA3 = hasher()
#: RFC 8032 section 7.1, test 1: a seed whose key everybody knows.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
OTHER_SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")


async def signed(checkpoint: Checkpoint, seed: bytes = SEED) -> Checkpoint:
    signer = Ed25519Signer(seed)
    await signer.load()
    key_id = key_id_of(SHA3.sha3_256, signer.public_key())
    return checkpoint._replace(key_id=key_id, signature=await signer.sign(checkpoint.signed))


async def fill(state: World, requests: int = 6) -> None:
    """Requests by two users, one refused, one that fell back, one swept and corrected, one by nobody; and a batch."""
    for number in range(1, requests + 1):
        names = {"user_id": ("lovelace", "grace", "")[number % 3], "session_id": "s-7" if number % 2 else ""}
        await state.mediator.admit(facts(number, needs=("vision",) if number == 2 else (), **names))
        if number == 3:
            await state.mediator.advance(fallback(number))
            await state.mediator.settle(settlement(number, route=BETA))
        elif number == 4:
            await state.mediator.sweep(NOW_US + 100 * SECOND_US)
            await state.mediator.settle(settlement(number))
        else:
            await state.mediator.settle(settlement(number))
    leaves = [[number, "01" * 32, f"{number:064x}"] for number in (1, 2, 3)]
    await state.mediator.sessions("acme", APPEND, {"spool": "s", "leaves": leaves, "at_us": NOW_US + SECOND_US})


async def erase(state: World, user: str, at_us: int = NOW_US + 2 * SECOND_US) -> dict[str, Any]:
    order = Order("acme", "erase", at_us, {"subject": "user", "name": user})
    found: dict[str, Any] = (await state.mediator.administer(order))["found"]
    return found


async def checkpoint_of(state: World, size: int | None = None) -> Checkpoint:
    """The log's checkpoint at a size, signed."""
    head = await state.mediator.ledger("acme", "head", {})
    root = head["root"]
    if size is not None and size < head["size"]:
        root = (await state.mediator.ledger("acme", "consistency", {"first": size, "second": None}))["first_root"]
    return await signed(Checkpoint("acme", head["size"] if size is None else size, bytes.fromhex(root), NOW_US))


async def export_of(state: World, at: tuple[int, ...] = (), is_open: bool = True) -> list[bytes]:
    """The lines of an export, with checkpoints of these sizes and of the whole."""
    found = await state.mediator.ledger("acme", "entries", {"first": 0, "limit": 10_000, "is_open": is_open})
    lines = [header_line("acme", PUBLIC_KEY.hex())]
    for count, one in enumerate(found["entries"], 1):
        lines.append(entry_line(one["entry"], one["evidence"], one["opening"]))
        if count in at:
            lines.append(checkpoint_line((await checkpoint_of(state, count)).to_text()))
    return [*lines, checkpoint_line((await checkpoint_of(state)).to_text())]


async def verify_stored(state: World, tenant: str = "acme", limit: int = 7) -> dict[str, Any]:
    """The report that the mediator gives, some entries a transaction."""
    given: dict[str, Any] = {"state": None, "size": None, "limit": limit}
    while True:
        found = await state.mediator.ledger(tenant, "verify", given)
        if "report" in found:
            report: dict[str, Any] = found["report"]
            return report
        given = json.loads(json.dumps({**given, "state": found["state"], "size": found["size"]}))


def check(lines: list[bytes], *held: Checkpoint, key: bytes | None = None) -> Report:
    return verify_export(lines, SHA3, is_signed, held, key)


def changed(line: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """A line of an export after a change of its members, written canonically again."""
    members = json.loads(line)
    change(members)
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"

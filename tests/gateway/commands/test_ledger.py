"""`harpoon ledger` against a running server, its exports and its backups."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import DATABASE_FILE
from tests.gateway.commands.command_kit import invoke, told
from tests.serving import Serving, serving
from worker.ledger.checkpoint import checkpoint_from_text

BODY = {"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}]}


def chat(server: Serving, **headers: str) -> None:
    answer = httpx.post(f"{server.base}/v1/chat/completions", json=BODY, headers=headers, trust_env=False, timeout=20)
    assert answer.status_code == 200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("ledger") / "state") as server:
        for user in ("lovelace", "hopper", "lovelace"):
            chat(server, **{"x-user-id": user, "x-session-id": f"s-{user}"})
        chat(server)
        yield server


@pytest.fixture
def here(server: Serving) -> dict[str, str]:
    return {"HARPOON_URL": server.base, "HARPOON_STATE": str(server.state)}


def test_checkpoint_export_verify_and_prove(here: dict[str, str], tmp_path: Path) -> None:
    made = invoke("ledger", "checkpoint", **here)
    assert made.exit_code == 0, made.output
    size = checkpoint_from_text(made.stdout).size
    kept, log = tmp_path / "kept.txt", tmp_path / "log.jsonl"
    kept.write_text(made.stdout)
    as_json = json.loads(invoke("ledger", "checkpoint", "--json", **here).stdout)
    (tmp_path / "kept.json").write_text(json.dumps(as_json))
    assert as_json["text"] == made.stdout
    log.write_bytes(invoke("ledger", "export", **here).stdout_bytes)
    for name in ("kept.txt", "kept.json"):
        arguments = ("--checkpoint", str(tmp_path / name), "--key", as_json["public_key"])
        done = invoke("ledger", "verify", str(log), *arguments)
        assert done.exit_code == 0, done.output
        assert f"{size} verified" in done.stdout
        assert "no checkpoint was given" not in done.stderr
    alone = invoke("ledger", "verify", "-", stdin=log.read_bytes())
    assert alone.exit_code == 0
    assert "no checkpoint was given" in alone.stderr
    assert "ok" in invoke("ledger", "verify", **here).stdout.splitlines()[0]
    for arguments in (
        ("--entry", "3"),
        ("--entry", str(size - 1), "--checkpoint", str(kept)),
        ("--first", "4"),
        ("--checkpoint", str(kept)),
    ):
        proved = invoke("ledger", "prove", *arguments, **here)
        assert proved.exit_code == 0, proved.output
    assert json.loads(invoke("ledger", "prove", "--entry", "0", "--json", **here).stdout)["entry"] == 0


def test_what_does_not_verify_ends_with_status_1_and_says_where(here: dict[str, str], tmp_path: Path) -> None:
    lines = invoke("ledger", "export", **here).stdout_bytes.splitlines(keepends=True)
    kept = tmp_path / "kept.txt"
    kept.write_text(invoke("ledger", "checkpoint", **here).stdout)
    file = tmp_path / "log.jsonl"
    file.write_bytes(b"".join([*lines[:3], lines[3].replace(b"import", b"export"), *lines[4:]]))
    done = invoke("ledger", "verify", str(file), "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert (report["ok"], report["size"]) == (False, len(lines) - 2)
    assert report["fault"]["reason"] == "CHECKPOINT_MISMATCH"
    file.write_bytes(b"".join(lines[:-3]))
    assert invoke("ledger", "verify", str(file)).exit_code == 0
    cut = invoke("ledger", "verify", str(file), "--checkpoint", str(kept))
    assert cut.exit_code == 1
    assert "TRUNCATED" in cut.stdout
    file.write_bytes(b"".join(lines)[:-20])
    torn = invoke("ledger", "verify", str(file))
    assert torn.exit_code == 1
    assert "TORN_LINE" in torn.stdout
    assert f"{len(lines) - 2} verified" in torn.stdout


def test_a_checkpoint_of_another_log_is_not_proved(here: dict[str, str], tmp_path: Path) -> None:
    made = checkpoint_from_text(invoke("ledger", "checkpoint", **here).stdout)
    kept = tmp_path / "kept.txt"
    kept.write_text(made._replace(root=bytes(32)).to_text())
    told(invoke("ledger", "prove", "--entry", "0", "--checkpoint", str(kept), **here), 1, "another root")
    kept.write_text(made._replace(size=made.size - 1).to_text())
    told(invoke("ledger", "prove", "--first", "2", "--checkpoint", str(kept), **here), 2, "no checkpoint of yours")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("verify", "missing.jsonl"), "can't be read"),
        (("verify", "--key", "00" * 32), "which export?"),
        (("verify", "-", "--key", "x"), "64 hexadecimal digits"),
        (("verify", "-", "--checkpoint", "missing.txt"), "can't be read"),
        (("verify", "-", "--checkpoint", __file__), "is no checkpoint"),
        (("prove",), "what is to be proved?"),
        (("prove", "--entry", "1", "--first", "2"), "what is to be proved?"),
        (("prove", "--entry", "100000"), "your log has"),
        (("erase", "local", "--local"), "what is to be erased?"),
        (("erase", "local", "--local", "--user", "a", "--session", "b"), "what is to be erased?"),
        (("erase", "nobody", "--local", "--user", "a"), "no tenant has this name"),
    ],
)
def test_what_can_not_be_done_is_said(here: dict[str, str], arguments: tuple[str, ...], words: str) -> None:
    told(invoke("ledger", *arguments, **here), 2, words)


def test_erase_backup_and_restore(here: dict[str, str], server: Serving, tmp_path: Path) -> None:
    before = tmp_path / "before.db"
    backed = invoke("ledger", "backup", str(before), "--json", **here)
    assert backed.exit_code == 0, backed.output
    assert stat.S_IMODE(before.stat().st_mode) == 0o600
    told(invoke("ledger", "backup", str(before), **here), 2, "is there already")
    erased = invoke("ledger", "erase", "local", "--user", "lovelace", "--local", "--json", **here)
    assert json.loads(erased.stdout)["entries"] == 2
    assert "it was erased before" in invoke("ledger", "erase", "local", "--user", "lovelace", "--local", **here).stdout
    assert "2 entries erased" in invoke("ledger", "verify", **here).stdout
    after = tmp_path / "after.db"
    assert "all verified" in invoke("ledger", "backup", str(after), **here).stdout
    assert b"lovelace" not in after.read_bytes()
    told(invoke("ledger", "restore", str(after), **here), 2, "restore into an empty state folder")

    state = tmp_path / "restored"
    restored = invoke("ledger", "restore", str(after), HARPOON_STATE=str(state))
    assert restored.exit_code == 0, restored.output
    assert stat.S_IMODE((state / DATABASE_FILE).stat().st_mode) == 0o600
    kept = tmp_path / "kept.txt"
    kept.write_text(invoke("ledger", "checkpoint", **here).stdout)
    with serving(state) as again:
        # The same log under another key, which goes on where the backup was taken.
        chat(again)
        export = tmp_path / "log.jsonl"
        export.write_bytes(invoke("ledger", "export", HARPOON_URL=again.base).stdout_bytes)
        unsigned = checkpoint_from_text(kept.read_text())
        verified = invoke("ledger", "verify", HARPOON_URL=again.base)
        assert verified.exit_code == 0, verified.output
        entries = json.loads(export.read_text().splitlines()[-1])["checkpoint"]
        assert checkpoint_from_text(entries).size > unsigned.size
        assert checkpoint_from_text(entries).key_id != unsigned.key_id


def damage(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()


def test_a_backup_that_does_not_verify_is_not_restored(here: dict[str, str], tmp_path: Path) -> None:
    backup, state = tmp_path / "harpoon.bak", tmp_path / "state"

    def refused(status: int, *words: str) -> None:
        told(invoke("ledger", "restore", str(backup), HARPOON_STATE=str(state)), status, *words)
        assert not state.exists() or [*state.iterdir()] == []

    refused(2, "there is no backup")
    assert invoke("ledger", "backup", str(backup), **here).exit_code == 0
    whole = backup.read_bytes()
    damage(backup, "UPDATE ledger SET entry = replace(entry, 'import', 'export') WHERE seq = 1")
    refused(1, "the log of local does not verify", "LEAF_MISMATCH at entry 1")
    backup.write_bytes(whole)
    damage(backup, "INSERT INTO migration VALUES (1000)")
    refused(2, "of a later version")
    backup.write_bytes(whole[: len(whole) // 2])
    refused_any(refused)
    backup.write_bytes(b"not a database, not at all" * 100)
    refused_any(refused)


def refused_any(refused: Any) -> None:
    """However SQLite words it."""
    try:
        refused(1)
    except AssertionError:
        refused(2)

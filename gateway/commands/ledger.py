"""`harpoon ledger`: hold a gateway to its log, take the log home, and look after it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.admin_options import AdminToken, AdminUrl, Local, office_of
from gateway.commands.options import HERE, Json, Token, Url
from gateway.failure import NO, ClientFailed, CommandFailed
from gateway.output import Cell, Working, complain, write, write_fields, write_json, write_line

if TYPE_CHECKING:
    from gateway.client import Client
    from worker.ledger.checkpoint import Checkpoint

ledger_cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Verify your log, prove what is in it, take it home; erase, back up and restore.",
    epilog="Example: `harpoon ledger checkpoint > today.txt`, and some day later "
    "`harpoon ledger export > log.jsonl && harpoon ledger verify log.jsonl --checkpoint today.txt`",
)
PAGE = 1_000
STRANGE = "what answers is not Harpoon, or another version of it"
CheckpointFile = Annotated[
    list[Path] | None,
    typer.Option("--checkpoint", help="A checkpoint that you kept; may be repeated.", show_default=False),
]
Key = Annotated[
    str, typer.Option("--key", help="The public key that must have signed, 64 hex digits.", show_default=False)
]


@ledger_cli.command(
    epilog="Example: `harpoon ledger verify` asks the server; `harpoon ledger verify log.jsonl --checkpoint today.txt` "
    "needs nobody.\n\nWithout a checkpoint that was kept elsewhere, a log that was cut short or written anew from its "
    "beginning can't be told from an honest one."
)
def verify(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="An export, - = standard input.", show_default=False)
    ] = "",
    checkpoint: CheckpointFile = None,
    key: Key = "",
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Verify an export, or have the server verify your log. Exit status 1: it does not verify."""
    held = [_checkpoint_of(path) for path in checkpoint or []]
    if file:
        report = _verify_file(file, held, key)
    elif held or key:
        raise CommandFailed("which export? A checkpoint and a key are compared with a file: harpoon ledger export")
    else:
        with _client(url, token) as client:
            report = client.get("/api/ledger/verify")
    show_report(report, as_json)
    if not report["ok"]:
        raise typer.Exit(NO)


@ledger_cli.command(
    epilog="Example: `harpoon ledger checkpoint > today.txt`. Keep it where the gateway's operator can't reach it: "
    "it is what shows, later, that nothing before it was changed."
)
def checkpoint(url: Url = HERE, token: Token = "", as_json: Json = False) -> None:
    """Write your log's size and root as they are now, signed."""
    with _client(url, token) as client:
        found = client.get("/api/ledger/checkpoint")
    write_json(found) if as_json else write(_text(found, "text"))


@ledger_cli.command(
    epilog="Example: `harpoon ledger export > log.jsonl`\n\nWhat clients named (users, sessions) is in it as salted "
    "commitments only; --openings adds what opens them."
)
def export(
    openings: Annotated[bool, typer.Option("--openings", help="With what opens personal fields.")] = False,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Write your whole log, one JSON object a line, up to a checkpoint made now."""
    from worker.ledger.export import checkpoint_line, entry_line, header_line

    write_bytes = sys.stdout.buffer.write
    with _client(url, token) as client, Working("entries", beside_output=True) as working:
        made = client.get("/api/ledger/checkpoint")
        write_bytes(header_line(_text(made, "tenant"), made["public_key"]))
        for one in _entries(client, made["size"], openings):
            write_bytes(entry_line(one["entry"], one["evidence"], one["opening"]))
            working.advance()
        write_bytes(checkpoint_line(made["text"]))
    sys.stdout.buffer.flush()


@ledger_cli.command(
    epilog="Example: `harpoon ledger prove --entry 17`, or `harpoon ledger prove --checkpoint today.txt` for: since "
    "then, the log only grew.\n\nThe proof is checked here, by RFC 9162, and compared with what you kept."
)
def prove(
    entry: Annotated[int | None, typer.Option(min=0, help="The entry's number.", show_default=False)] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="In the log of this size; else now.", show_default=False)
    ] = None,
    first: Annotated[int | None, typer.Option(min=1, help="The smaller size.", show_default=False)] = None,
    second: Annotated[int | None, typer.Option(min=1, help="The larger size; or now.", show_default=False)] = None,
    checkpoint: CheckpointFile = None,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Get a proof that an entry is in your log, or that the log only grew, and check it."""
    held = {found.size: found.root.hex() for found in map(_checkpoint_of, checkpoint or [])}
    if held and entry is None and first is None:
        first = min(held)
    if (entry is None) == (first is None):
        raise CommandFailed("what is to be proved? --entry NUMBER, --first SIZE, or --checkpoint FILE")
    if held and first is None and size is None:
        size = max(held)
    asked = {"entry": entry, "size": size, "first": first, "second": second}
    with _client(url, token) as client:
        given = {name: value for name, value in asked.items() if value is not None}
        found = client.get("/api/ledger/proof", **given)
        if not isinstance(found, dict) or any(found.get(name) != value for name, value in given.items()):
            raise CommandFailed("the server answers with a proof of something else than was asked", NO)
        _check_proof(found, held, _entry_text(client, entry) if entry is not None else "")
    if as_json:
        write_json(found)
    elif entry is not None:
        write_line(f"entry {entry} is in the log of {found['size']} entries with the root {found['root']}")
    else:
        write_line(f"the log of {found['second']} entries begins with the one of {found['first']}")


@ledger_cli.command(
    epilog="Example: `harpoon ledger erase acme --user ada --local`\n\nThe log stays verifiable: what is erased is the "
    "salt and the name beside it, and a new entry says how many entries that touched."
)
def erase(
    tenant: Annotated[str, typer.Argument(help="Whose log.", show_default=False)],
    user: Annotated[str, typer.Option(help="The x-user-id that clients sent.", show_default=False)] = "",
    session: Annotated[str, typer.Option(help="The x-session-id that clients sent.", show_default=False)] = "",
    local: Local = False,
    url: AdminUrl = HERE,
    admin_token: AdminToken = "",
    as_json: Json = False,
) -> None:
    """Erase what names a user or a session."""
    if bool(user) == bool(session):
        raise CommandFailed("what is to be erased? --user ID or --session ID")
    body = {"user_id": user} if user else {"session_id": session}
    with office_of(url, admin_token, local) as office:
        found = office.ask("POST", f"/admin/tenants/{tenant}/erasures", body)
    if as_json:
        write_json(found)
        return
    if found["seq"] is None and not found["events"]:
        write_line("nothing names it, or it was erased before")
    if found["seq"] is not None:
        touched = f"{found['entries']} entries and {found['decisions']} decisions"
        write_line(f"erased from {touched}; entry {found['seq']} says so")
    if found["events"]:
        write_line(f"erased from {found['events']} events in the spool; what was delivered is with its receivers")


@ledger_cli.command(epilog="Example: `harpoon ledger backup harpoon-monday.db`. A server may run meanwhile.")
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Copy this machine's state (HARPOON_STATE) into a file, and verify every log in the copy."""
    from gateway.ledger_files import back_up

    _show_reports(back_up(_database(), file), as_json, f"{file} holds")


@ledger_cli.command(epilog="Example: `HARPOON_STATE=/srv/harpoon harpoon ledger restore harpoon-monday.db`")
def restore(
    file: Annotated[Path, typer.Argument(help="What `harpoon ledger backup` wrote.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Put a backup into an empty state folder (HARPOON_STATE), once every log in it is verified."""
    from gateway.ledger_files import restore as restore_file

    _show_reports(restore_file(file, _database()), as_json, "restored:")


def show_report(report: dict[str, Any], as_json: bool) -> None:
    """What verification found. Raises: ClientFailed for an answer of another shape."""
    if as_json:
        write_json(report)
        return
    try:
        verdict = Cell("ok", "green") if report["ok"] else Cell("NOT ok", "red")
        fields: list[tuple[str, str | Cell]] = [("verdict", verdict)]
        if report["fault"]:
            from gateway.ledger_files import fault_text

            fields.append(("fault", Cell(fault_text(report), "red")))
        fields += [
            ("entries", f"{report['size']} verified"),
            ("root", report["root"]),
            ("evidence", f"{report['evidence']} texts right, {report['dropped']} dropped by retention"),
            ("personal", f"{report['opened']} commitments opened, {report['erased']} entries erased"),
            ("checkpoints", f"{report['checkpoints']} agree"),
        ]
        write_fields(fields)
    except (KeyError, TypeError) as problem:
        raise ClientFailed(STRANGE) from problem


def _verify_file(name: str, held: list[Checkpoint], key: str) -> dict[str, Any]:
    from gateway.adapters.ed25519_signer import is_signed
    from gateway.adapters.host import PySha3Hasher
    from gateway.commands.batch import opened
    from worker.ledger.export import verify_export

    hasher = PySha3Hasher()
    asyncio.run(hasher.load())
    public_key = _public_key(key) if key else None
    with opened(name) as lines, Working("lines") as working:
        report = verify_export(_counted(lines, working), hasher, is_signed, held, public_key)
    if not held:
        complain("no checkpoint was given: a log that was cut short or written anew would look the same")
    return report.to_plain()


def _counted(lines: Any, working: Working) -> Iterator[bytes]:
    for line in lines:
        yield line
        working.advance()


def _public_key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise CommandFailed("--key must be 64 hexadecimal digits: `public_key` of GET /api/ledger/checkpoint")
    return key


def _checkpoint_of(path: Path) -> Checkpoint:
    """The checkpoint in a file, as text or as the JSON that the server gave. Raises: CommandFailed."""
    from worker.errors import LedgerFault
    from worker.ledger.checkpoint import checkpoint_from_text

    try:
        text = path.read_text(encoding="utf-8")
        if text.lstrip().startswith("{"):
            text = json.loads(text)["text"]
        return checkpoint_from_text(text)
    except OSError as problem:
        raise CommandFailed(f"{path} can't be read: {problem.strerror}") from problem
    except (LedgerFault, ValueError, KeyError, TypeError) as problem:
        raise CommandFailed(f"{path} is no checkpoint; `harpoon ledger checkpoint` writes one") from problem


def _client(url: str, token: str) -> Client:
    from gateway.client import Client

    return Client(url, token)


def _entries(client: Client, size: int, openings: bool) -> Iterator[dict[str, Any]]:
    """The first `size` entries. Raises: ClientFailed if the server has fewer."""
    seen = 0
    while seen < size:
        after = {"after": seen - 1} if seen else {}
        page = client.get("/api/ledger/entries", limit=min(PAGE, size - seen), openings=int(openings), **after)["data"]
        if not page:
            raise ClientFailed(STRANGE)
        yield from page
        seen += len(page)


def _entry_text(client: Client, entry: int) -> str:
    after = {"after": entry - 1} if entry else {}
    page = client.get("/api/ledger/entries", limit=1, **after)["data"]
    return _text(page[0], "entry") if page else ""


def _text(found: Any, name: str) -> str:
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, str):
        raise ClientFailed(STRANGE)
    return value


def _check_proof(found: dict[str, Any], held: dict[int, str], text: str) -> None:
    """Raises: CommandFailed unless the proof is one, and agrees with the checkpoints that were kept."""
    from gateway.adapters.host import PySha3Hasher
    from worker.errors import LedgerFault
    from worker.ledger.entry import entry_from_text, leaf_hash
    from worker.ledger.merkle import verify_consistency, verify_inclusion

    hasher = PySha3Hasher()
    asyncio.run(hasher.load())
    try:
        path = [bytes.fromhex(step) for step in found["path"]]
        if "entry" in found:
            roots = {found["size"]: found["root"]}
            if entry_from_text(text).seq != found["entry"]:
                raise LedgerFault("SEQ_MISMATCH", "what the server shows as the entry has another number")
            leaf = leaf_hash(hasher, text.encode())
            verify_inclusion(hasher, leaf, found["entry"], found["size"], path, bytes.fromhex(found["root"]))
        else:
            roots = {found["first"]: found["first_root"], found["second"]: found["second_root"]}
            first_root, second_root = (bytes.fromhex(found[name]) for name in ("first_root", "second_root"))
            verify_consistency(hasher, found["first"], found["second"], path, first_root, second_root)
    except LedgerFault as fault:
        raise CommandFailed(f"the proof does not verify: {fault.message}", NO) from fault
    except (KeyError, TypeError, ValueError) as problem:
        raise ClientFailed(STRANGE) from problem
    for size, root in roots.items():
        if held.get(size, root) != root:
            raise CommandFailed(f"the log of {size} entries has another root than your checkpoint", NO)
    if held and not held.keys() & roots.keys():
        raise CommandFailed("no checkpoint of yours has a size that the proof is about; say --size or --first")


def _database() -> Path:
    from gateway.app import DATABASE_FILE
    from gateway.commands.offline import local_settings

    return local_settings().state / DATABASE_FILE


def _show_reports(reports: dict[str, dict[str, Any]], as_json: bool, intro: str) -> None:
    if as_json:
        write_json(reports)
        return
    total = sum(report["size"] for report in reports.values())
    write_line(f"{intro} {len(reports)} logs with {total} entries, all verified")

"""`harpoon canon`: what a tenant of a running Harpoon knows, at which level, and how it came there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.canon_group import canon_cli
from gateway.commands.canon_interference import interference
from gateway.commands.canon_ttv import ttv
from gateway.commands.options import HERE, Json, Token, Url, encoded
from gateway.failure import NO, ClientFailed, CommandFailed
from gateway.output import Cell, Column, complain, write_fields, write_json, write_line, write_table

#: Commands that are told apart by their files are those of one group.
__all__ = ["canon_cli", "interference", "ttv"]
ItemId = Annotated[str, typer.Argument(metavar="ID", help="The item's id.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is what the ledger keeps.", show_default=False)]
_STYLES = {"CANON": "green", "PROPOSED": "yellow", "EVIDENCE": "dim"}
_STRANGE = "the server's canon has another form than this command knows; is it another version of Harpoon?"


def _post(url: str, token: str, path: str, body: dict[str, Any]) -> Any:
    from gateway.client import Client

    with Client(url, token) as client:
        return client.post(path, encoded(body))


def _get(url: str, token: str, path: str, **query: str | int) -> Any:
    from gateway.client import Client

    with Client(url, token) as client:
        return client.get(path, **query)


def _path(item_id: str) -> str:
    from urllib.parse import quote

    return f"/api/canon/items/{quote(item_id, safe='')}"


@canon_cli.command("list", epilog="Example: `harpoon canon list --level CANON`, or `--seq 12` as of that ledger entry")
def list_items(
    level: Annotated[str, typer.Option(help="Only EVIDENCE, PROPOSED or CANON.", show_default=False)] = "",
    kind: Annotated[str, typer.Option(help="Only items of this kind.", show_default=False)] = "",
    seq: Annotated[int, typer.Option(min=-1, help="As it stood after this ledger entry; -1 = now.")] = -1,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """List your items, and the hash of them all."""
    query: dict[str, str | int] = {name: said for name, said in (("level", level), ("kind", kind)) if said}
    if seq >= 0:
        query["seq"] = seq
    found = _get(url, token, "/api/canon/items", **query)
    if as_json:
        write_json(found)
        return
    try:
        rows = [_row(item) for item in found["data"]]
        digest = str(found["canon_hash"])
    except (KeyError, TypeError, AttributeError) as problem:
        raise ClientFailed(_STRANGE) from problem
    write_table([Column(name) for name in ("id", "level", "kind", "for", "source", "content hash")], rows)
    write_line()
    write_line(f"canon {digest}")


@canon_cli.command(epilog="Example: `harpoon canon show catalogue`")
def show(item_id: ItemId, url: Url = HERE, token: Token = "", as_json: Json = False) -> None:
    """Show one item and what it says."""
    found = _get(url, token, _path(item_id))
    if as_json:
        write_json(found)
    else:
        _show_item(found)


@canon_cli.command(epilog="Example: `harpoon canon history catalogue`")
def history(item_id: ItemId, url: Url = HERE, token: Token = "", as_json: Json = False) -> None:
    """Show every change of one item, from the ledger."""
    found = _get(url, token, _path(item_id))
    if as_json:
        write_json(found)
        return
    from gateway.commands.decisions import clock_text

    try:
        rows = [
            (
                str(one["seq"]),
                f"{clock_text(one['at_us'])} UTC",
                one["act"],
                _level(one["level"]),
                one.get("reason", ""),
            )
            for one in found["history"]
        ]
    except (KeyError, TypeError, AttributeError) as problem:
        raise ClientFailed(_STRANGE) from problem
    write_table([Column(name, right=name == "entry") for name in ("entry", "when", "act", "level", "why")], rows)


@canon_cli.command(
    epilog="Example: `harpoon canon propose no-force-push --kind invariant --severity HARD_FAIL --for deploy "
    '--says \'{"rule": {"op": "forbids", "field": "tags", "name": "force"}}\' --source chat --ref "Monday\'s call"`'
)
def propose(
    item_id: ItemId,
    kind: Annotated[str, typer.Option(help="definition, invariant, constraint, policy, model or table.")],
    says: Annotated[str, typer.Option("--says", help="What it says: a JSON value.", show_default=False)],
    source: Annotated[str, typer.Option(help="Where it comes from: chat, repo, test, prod or import.")],
    ref: Annotated[str, typer.Option(help="What to look at there.", show_default=False)],
    author: Annotated[str, typer.Option(help="Who says so; it stays in the ledger.", show_default=False)] = "",
    severity: Annotated[str, typer.Option(help="Of an invariant: HARD_FAIL or SOFT_FAIL.", show_default=False)] = "",
    applies_to: Annotated[
        list[str] | None,
        typer.Option("--for", help="An action tag it speaks of; may be repeated; none = all.", show_default=False),
    ] = None,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Propose an item, at EVIDENCE; or put new words in the place of one that is not CANON."""
    import json

    try:
        content = json.loads(says)
    except ValueError as problem:
        raise CommandFailed(f'--says must be JSON ({problem}), such as \'{{"text": "review first"}}\'') from problem
    body: dict[str, Any] = {
        "id": item_id,
        "kind": kind,
        "content": content,
        "provenance": {"source": source, "ref": ref, "author": author},
    }
    if severity:
        body["severity"] = severity
    if applies_to:
        body["applies_to"] = applies_to
    _show_change(_post(url, token, "/api/canon/items", body), as_json)


@canon_cli.command(
    epilog="Example: `harpoon canon promote review-first --evidence entry:4`, and to CANON "
    "`harpoon canon promote review-first --trials trials.jsonl --scenarios scenarios.jsonl`"
)
def promote(
    item_id: ItemId,
    evidence: Annotated[
        list[str] | None,
        typer.Option(help="entry:<number> of your ledger, or another item's id; may be repeated.", show_default=False),
    ] = None,
    trials: Annotated[
        Path | None, typer.Option(help="Recorded trials, one JSON object a line.", show_default=False)
    ] = None,
    scenarios: Annotated[
        Path | None, typer.Option(help="Problems to try it on, one JSON object a line.", show_default=False)
    ] = None,
    to: Annotated[str, typer.Option(help="The level; it can only be the next one.", show_default=False)] = "",
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Raise an item by one level, if it passes the tests; else say which ones it failed (exit status 1)."""
    body: dict[str, Any] = {"itemId": item_id}
    if to:
        body["to"] = to
    if evidence:
        body["evidenceRefs"] = evidence
    for name, file in (("trials", trials), ("scenarios", scenarios)):
        if file is not None:
            body[name] = _lines(file)
    found = _post(url, token, "/api/canon/promote", body)
    if as_json:
        write_json(found)
    else:
        _show_promotion(found)
    if found.get("outcome") != "ALLOW":
        raise typer.Exit(NO)


@canon_cli.command(epilog="Example: `harpoon canon demote review-first --reason 'two deployments went wrong'`")
def demote(
    item_id: ItemId,
    reason: Reason,
    to: Annotated[str, typer.Option(help="The level; the next lower one if not told.", show_default=False)] = "",
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Take an item down a level. An imported one below CANON keeps every request from being served."""
    body = {"act": "demote", "id": item_id, "reason": reason, **({"to": to} if to else {})}
    _show_change(_post(url, token, "/api/canon/items", body), as_json)


@canon_cli.command(
    epilog="Example: `harpoon canon supersede review-first --by review-twice --reason 'twice is better'`"
)
def supersede(
    item_id: ItemId,
    by: Annotated[str, typer.Option(help="The item in its place, which must be CANON.", show_default=False)],
    reason: Reason,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Put another CANON item of the same kind in the place of one, which falls to EVIDENCE."""
    body = {"act": "supersede", "id": item_id, "by": by, "reason": reason}
    _show_change(_post(url, token, "/api/canon/items", body), as_json)


@canon_cli.command("why-not", epilog="Example: `harpoon canon why-not deploy-42`")
def why_not(
    action_id: Annotated[
        str, typer.Argument(metavar="ID", help="An action, candidate or item, or a denied request's decision id.")
    ],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 20,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Show why something was denied, and what would have admitted it."""
    found = _get(url, token, "/api/why-not", actionId=action_id, limit=limit)
    if as_json:
        write_json(found)
        return
    from gateway.commands.decisions import clock_text

    try:
        for at, one in enumerate(found["data"]):
            if at:
                write_line()
            write_fields(
                [
                    ("denied", f"{clock_text(one['at_us'])} UTC, {one['id']}, ledger entry {one['seq']}"),
                    ("why", one["message"]),
                    *(("change", _fix(fix)) for fix in one["minimalFix"] or []),
                ]
            )
    except (KeyError, TypeError, AttributeError) as problem:
        raise ClientFailed(_STRANGE) from problem
    if not found["data"]:
        write_line(f"nothing of that id was denied: {action_id}")


def _lines(file: Path) -> list[Any]:
    """The JSON values of a file, one a line. Raises: CommandFailed."""
    import json

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise CommandFailed(f"{file} can't be read: {problem}") from problem
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError as problem:
                raise CommandFailed(f"{file}, line {number}: not JSON ({problem})") from problem
    return found


def _level(level: str) -> Cell:
    return Cell(level, _STYLES.get(level, ""))


def _row(item: dict[str, Any]) -> tuple[str | Cell, ...]:
    scope = ", ".join(item["applies_to"])
    return item["id"], _level(item["level"]), item["kind"], scope, item["provenance"]["source"], item["content_hash"]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(str(one) for one in value) or "none"
    return str(value)


def _fix(fix: dict[str, Any]) -> str:
    named = [str(fix["op"]), str(fix["subject"])]
    return " ".join(named + [f"{name} {fix[name]}" for name in ("action", "about", "value", "by") if name in fix])


def _show_item(found: dict[str, Any]) -> None:
    import json

    try:
        item = found["item"]
        origin = item["provenance"]
        author = f", says {origin['author']}" if origin["author"] else ""
        fields: list[tuple[str, str | Cell]] = [
            ("item", item["id"]),
            ("level", _level(item["level"])),
            ("kind", item["kind"] + (f", {item['severity']}" if "severity" in item else "")),
            ("for", ", ".join(item["applies_to"])),
            ("from", f"{origin['source']}: {origin['ref']}{author}"),
            ("content hash", item["content_hash"]),
        ]
        if "content" in item:
            fields.append(("says", json.dumps(item["content"], ensure_ascii=False)))
    except (KeyError, TypeError, AttributeError) as problem:
        raise ClientFailed(_STRANGE) from problem
    write_fields(fields)


def _show_change(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        write_json(found)
        return
    _show_item(found)
    complain(f"recorded as ledger entry {found['ledger']['seq']}")


def _show_promotion(found: dict[str, Any]) -> None:
    try:
        fields: list[tuple[str, str | Cell]] = [
            ("item", found["itemId"]),
            ("level", _level(found["item"]["level"])),
        ]
        for name, test in found["tests"].items():
            told = ", ".join(f"{part.replace('_', ' ')} {_plain(value)}" for part, value in test["found"].items())
            look = Cell(f"{'passed' if test['passed'] else 'failed'}: {told}", "green" if test["passed"] else "red")
            fields.append((f"test {name}", look))
        if "denialTrace" in found:
            fields.append(("denied", found["denialTrace"]["reason"]))
    except (KeyError, TypeError, AttributeError) as problem:
        raise ClientFailed(_STRANGE) from problem
    write_fields(fields)

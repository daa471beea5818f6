"""`harpoon certificate`: what proves a decision, fetched from a server or checked here without one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.commands.batch import STDIN, opened
from gateway.commands.options import HERE, Token, Url
from gateway.failure import NO, CommandFailed
from gateway.output import Cell, write_fields, write_json

certificate_cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Fetch a decision's certificate, or check one without any server.",
    epilog="Example: `harpoon certificate show dec_... > c.json`, then `harpoon certificate verify c.json`",
)
MAX_BYTES = 256 * 1024 * 1024


@certificate_cli.command(
    epilog="Exit status: 0 it holds, 1 it does not, 2 it can't be read.\n\n"
    "What was checked: the seal over every member; each candidate's figures, verdict and total, derived again from the "
    "inputs; every place in the ranking. Not checked: that the inputs are true, and that this decision is in a log: "
    "compare decision_digest with the entry that `harpoon ledger` shows."
)
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A certificate in JSON; - reads standard input.")] = STDIN,
) -> None:
    """Derive a certificate's decision again and say whether it holds."""
    import asyncio

    from gateway.adapters.host import PySha3Hasher
    from worker.canon.certificate import CertificateError, verify_certificate
    from worker.errors import HarpoonError
    from worker.strict_json import JsonLimits, parse_json

    with opened(file) as stream:
        text = stream.read(MAX_BYTES + 1)
    hasher = PySha3Hasher()
    asyncio.run(hasher.load())
    try:
        plain: Any = parse_json(text, JsonLimits(max_bytes=MAX_BYTES, max_members=MAX_BYTES))
    except HarpoonError as problem:
        raise CommandFailed(f"this can't be read as a certificate: {problem.message}") from problem
    try:
        verify_certificate(plain, hasher)
    except CertificateError as problem:
        raise CommandFailed(f"refused: {problem.message}", NO) from problem
    write_fields(_told(plain))


@certificate_cli.command(
    epilog="Example: `harpoon certificate show dec_... > c.json`; its id is in `harpoon decisions`"
)
def show(
    decision: Annotated[str, typer.Argument(metavar="ID", help="The decision's id: dec_...", show_default=False)],
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Print the certificate of a decision of yours, as JSON."""
    from gateway.client import Client

    with Client(url, token) as client:
        write_json(client.get(f"/v1/decisions/{decision}/certificate"))


def _told(plain: dict[str, Any]) -> list[tuple[str, str | Cell]]:
    said: list[tuple[str, str | Cell]] = [("certificate", Cell("holds", "green")), ("kind", plain["kind"])]
    is_request = plain["kind"] == "request"
    body = plain["decision"] if is_request else plain
    said.append(("selected", plain["selected"] or Cell("none: every candidate is denied", "red")))
    said.append(("candidates", f"{len(body['candidates'])}, {len(body['ranking'])} admissible"))
    said.append(
        ("decision digest" if is_request else "canon", plain["decision_digest" if is_request else "canon_hash"])
    )
    said.append(("digest", plain["digest"]))
    return said

"""The group that the commands of `harpoon canon` belong to, whichever file they are in."""

from __future__ import annotations

import typer

canon_cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Show and change your canon: items begin as EVIDENCE, rise to PROPOSED and to CANON by tests, and only CANON "
    "items can authorise anything. Every change is an entry in your ledger.",
    epilog='Example: `harpoon canon propose review-first --kind definition --says \'{"text": "review first"}\' '
    '--for deploy --source chat --ref "Monday\'s call"`, then `harpoon canon promote review-first --evidence entry:4`',
)

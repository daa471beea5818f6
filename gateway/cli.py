"""The `harpoon` command: serve, ask, and the two tables an operator edits."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from gateway.ask import AskFailed, ask_and_print
from gateway.settings import ALL_SETTINGS, HostSettings, read_settings
from worker.errors import IntegrityError

cli = typer.Typer(
    no_args_is_help=True,
    help="Harpoon: one OpenAI-compatible URL that turns intent into a route.",
    epilog='Start with `harpoon serve`, then in another terminal `harpoon ask "What is a vGPU?"`.',
    pretty_exceptions_enable=False,
)
_console = Console(highlight=False, soft_wrap=True)
_errors = Console(stderr=True, highlight=False)


def _give_up(message: str) -> NoReturn:
    _errors.print(f"[red]harpoon:[/red] {message}", soft_wrap=True)
    raise typer.Exit(2)


@cli.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; anything but loopback needs HARPOON_TOKENS.")] = "",
    port: Annotated[str, typer.Option(help="Port to listen on (8080).")] = "",
    workers: Annotated[str, typer.Option(help="Worker processes (1); budgets stay exact with several.")] = "",
    config: Annotated[Path | None, typer.Option(help="YAML file of NAME: value lines; see `harpoon settings`.")] = None,
) -> None:
    """Serve the OpenAI-compatible API.

    Settings: defaults < --config file < environment < flags. `harpoon settings` lists them all.
    """
    flags = {"SERVICE_HOST": host, "SERVICE_PORT": port, "HARPOON_WORKERS": workers}
    try:
        settings = read_settings(os.environ, flags, config)
    except IntegrityError as problem:
        _give_up(problem.message)
    os.umask(0o077)  # before anything is created: what the state holds is the operator's alone
    # Worker processes are told by their environment, so that a secret never shows in a process list.
    os.environ.update(settings.values)
    _greet(settings)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Imported here, so that every other command starts without a server in memory.
    import uvicorn

    uvicorn.run(
        "gateway.app:build",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
    )


def _greet(settings: HostSettings) -> None:
    configuration = settings.configuration
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    where = f"http://{host}:{settings.port}/v1"
    _console.print(f"[bold]harpoon[/bold] serves [bold]{where}[/bold]  (Ctrl-C stops it)")
    _console.print(f"  providers  {', '.join(sorted(configuration.configured)) or 'none'}")
    if "simulator" in configuration.configured:
        _console.print("             the simulator answers from the prompt alone: there is no model behind it")
    tokens = len(configuration.tokens)
    access = f"{tokens} token(s)" if tokens else "open to this machine, without a token"
    _console.print(f"  access     {access}")
    _console.print(f"  state      {settings.state}")
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}]})
    _console.print(f"  try        curl {where}/chat/completions -H 'content-type: application/json' -d '{body}'")
    sys.stdout.flush()


@cli.command()
def ask(
    question: Annotated[str, typer.Argument(help="What to ask; - reads it from standard input.")],
    model: Annotated[str, typer.Option(help="auto, a model id, or provider/model.")] = "auto",
    covenant: Annotated[str, typer.Option(help="A covenant as JSON, such as '{\"budget_usd\": 0.01}'.")] = "",
    url: Annotated[str, typer.Option(help="Where Harpoon serves.", envvar="HARPOON_URL")] = "http://127.0.0.1:8080/v1",
    token: Annotated[str, typer.Option(help="Your token, if one is needed.", envvar="HARPOON_TOKEN")] = "",
) -> None:
    """Ask a running Harpoon: the answer streams, then a table tells route, cost, time and why."""
    text = sys.stdin.read() if question == "-" else question
    try:
        ask_and_print(_console, url, token, model, text, covenant)
    except AskFailed as problem:
        _give_up(str(problem))


@cli.command()
def catalogue() -> None:
    """Print the catalogue as JSON: edit it, and give it back with HARPOON_CATALOGUE."""
    from worker.routing.catalogue import to_plain
    from worker.routing.default_catalogue import DEFAULT_CATALOGUE

    sys.stdout.write(json.dumps(to_plain(DEFAULT_CATALOGUE), indent=2) + "\n")


@cli.command()
def settings() -> None:
    """List every setting, what it does and its default; those marked secret belong in the environment or a file."""
    table = Table(box=None, pad_edge=False)
    table.add_column("setting", no_wrap=True)
    table.add_column("what it does")
    table.add_column("default")
    for setting in ALL_SETTINGS:
        table.add_row(setting.name, setting.help, "(secret)" if setting.secret else setting.default)
    _console.print(table)


def main() -> None:
    """Entry point of the console script."""
    cli()

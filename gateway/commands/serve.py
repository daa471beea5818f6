"""`harpoon serve`: the gateway itself."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gateway.failure import CommandFailed
from gateway.output import write_styled

if TYPE_CHECKING:
    from gateway.settings import HostSettings

serve_cli = typer.Typer(add_completion=False)


@serve_cli.command(
    epilog="Example: `harpoon serve --port 9000`, and in another terminal"
    ' `HARPOON_URL=http://127.0.0.1:9000 harpoon ask "What is a vGPU?"`'
)
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; anything but loopback needs HARPOON_TOKENS.")] = "",
    port: Annotated[str, typer.Option(help="Port to listen on (8080).")] = "",
    workers: Annotated[str, typer.Option(help="Worker processes (1); budgets stay exact with several.")] = "",
    config: Annotated[
        Path | None, typer.Option(help="Configuration file; else HARPOON_CONFIG, else ~/.orchestrator/config.yaml.")
    ] = None,
) -> None:
    """Serve the OpenAI-compatible API.

    Settings: defaults < configuration file < environment < flags. `harpoon settings` lists them all.
    """
    from gateway.log import set_up_logging
    from gateway.settings import find_config, read_settings
    from worker.errors import IntegrityError

    flags = {"SERVICE_HOST": host, "SERVICE_PORT": port, "HARPOON_WORKERS": workers}
    try:
        settings = read_settings(os.environ, flags, find_config(os.environ, config, Path.home()))
    except IntegrityError as problem:
        raise CommandFailed(problem.message) from problem
    os.umask(0o077)  # before anything is created: what the state holds is the operator's alone
    # Worker processes are told by their environment, so that a secret never shows in a process list.
    os.environ.update(settings.values)
    _greet(settings)
    set_up_logging(settings.log_level)
    import uvicorn

    # Once it has stopped in good order, the server raises the signal that told it to, for whoever waits here.
    signal.signal(signal.SIGTERM, _leave)
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
        log_level=settings.log_level,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
    )


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _greet(settings: HostSettings) -> None:
    configuration = settings.configuration
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    where = f"http://{host}:{settings.port}/v1"
    first = f"harpoon serves {where}  (Ctrl-C stops it)"
    write_styled(first, [(0, 7, "bold"), (15, 15 + len(where), "bold")])
    write_styled(f"  providers  {', '.join(sorted(configuration.configured)) or 'none'}")
    if "simulator" in configuration.configured:
        write_styled("             the simulator answers from the prompt alone: there is no model behind it")
    tokens = len(configuration.tokens)
    access = f"{tokens} token(s)" if tokens else "open to this machine, without a token"
    write_styled(f"  access     {access}")
    write_styled(f"  state      {settings.state}")
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}]})
    write_styled(f"  try        curl {where}/chat/completions -H 'content-type: application/json' -d '{body}'")
    sys.stdout.flush()

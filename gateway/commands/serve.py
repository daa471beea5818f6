"""`harpoon serve`: the gateway itself. gateway/cli.py reads its plain forms without this file, and so without Typer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.serving import serve_gateway

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
    serve_gateway(host, port, workers, config)

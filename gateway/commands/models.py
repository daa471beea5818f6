"""`harpoon models`: what a request may name as its model, here and now."""

from __future__ import annotations

import typer

from gateway.commands.options import HERE, Json, Token, Url
from gateway.failure import ClientFailed
from gateway.output import Column, write_json, write_table

models_cli = typer.Typer(add_completion=False)


@models_cli.command(epilog='Example: `harpoon models`, then `harpoon ask --model qwen3-30b-a3b "What is a vGPU?"`')
def models(url: Url = HERE, token: Token = "", as_json: Json = False) -> None:
    """List the models that a running Harpoon can serve: auto, model ids, and provider/model."""
    from gateway.client import Client

    with Client(url, token) as client:
        found = client.get("/v1/models")
    if as_json:
        write_json(found)
        return
    try:
        rows = [(str(model["id"]), str(model["owned_by"])) for model in found["data"]]
    except (KeyError, TypeError) as problem:
        raise ClientFailed(f"what answers at {url} is not Harpoon") from problem
    write_table((Column("model"), Column("offered by")), rows)

"""`harpoon simulator`: hosted.ai's panel APIs and pods on this machine, played by the pool model."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.options import Json
from gateway.failure import CommandFailed
from gateway.output import Column, write_json, write_line, write_styled, write_table

if TYPE_CHECKING:
    from gateway.simulator.platform.server import PlatformServer
    from gateway.simulator.platform.settings import PlatformSettings

USUAL_PORT = 8090
KEY_VARIABLE = "SIMULATOR_API_KEY"
MOST_SPEED = 100_000

simulator_cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Play hosted.ai on this machine: its panels, pools and pods, with its quirks. No GPU, no account, no model.",
    epilog="Example: `harpoon simulator serve --speed 60`, then in another terminal what it prints.",
)


@simulator_cli.callback()
def simulator() -> None:
    """Nothing of its own."""


@simulator_cli.command(
    epilog="Examples: `harpoon simulator serve --speed 60 --quirks none`, `harpoon simulator serve --quirks"
    " leaking_rows,slow_subscribe=30 --faults subscribe:drop_after,inference:pod_fails@3`\n\n"
    "A team takes a slot of a pool (subscribe), waits for its pod, exposes the pod's port 8000, and sends requests"
    " there; what that takes is worked out by the pool model (`harpoon pools parameters`) and passes on the simulator's"
    " clock. Any team id will do. Every text is derived from the prompt and marked as simulated, and every latency is a"
    " model's, none a measurement.\n\n"
    f"{KEY_VARIABLE} sets the API key and SIMULATOR_ADMIN_PASSWORD the admin's password; else both are printed."
)
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; beyond loopback only with a key.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the panels; pods get ports from 31000 on.")
    ] = USUAL_PORT,
    pools: Annotated[
        str, typer.Option(help="File of pools (JSON: pools, neighbours, parameters), or default.")
    ] = "default",
    speed: Annotated[int, typer.Option(min=1, max=MOST_SPEED, help="Times real time: 60 = a minute a second.")] = 1,
    quirks: Annotated[str, typer.Option(help="all, none, or names with percent: `harpoon simulator quirks`.")] = "all",
    faults: Annotated[str, typer.Option(help="What goes wrong at which call: step:kind@nth.", show_default=False)] = "",
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Equal seeds draw equal chances.")] = 1,
) -> None:
    """Serve the panels' HTTP API and the pods behind them until Ctrl-C."""
    settings = _settings(host, pools, quirks, faults, seed)
    try:
        asyncio.run(_serve(settings, host, port, speed))
    except OSError as problem:
        raise CommandFailed(
            f"can't listen on {host} port {port}: {problem.strerror}; choose another with --port"
        ) from problem


@simulator_cli.command(epilog="Example: `harpoon simulator quirks --json`")
def quirks(as_json: Json = False) -> None:
    """List the quirks: on how many of a hundred occasions each shows, where it is known from, and what it is."""
    from gateway.simulator.platform.quirks import quirk_notes

    notes = quirk_notes()
    if as_json:
        names = ("name", "percent", "source", "meaning")
        write_json([dict(zip(names, note, strict=True)) for note in notes])
        return
    columns = (Column("name"), Column("percent", right=True), Column("source", style="dim"), Column("meaning"))
    write_table(columns, [(name, f"{percent}", mark, meaning) for name, percent, mark, meaning in notes])


@simulator_cli.command(epilog="Example: `harpoon simulator faults`")
def faults(as_json: Json = False) -> None:
    """List the steps at which something can be made to go wrong, and what."""
    from gateway.simulator.platform.faults import KINDS
    from gateway.simulator.platform.routes import ENDPOINTS

    steps = {"inference": "a request to a pod", "health": "a pod's GET /health", "models": "a pod's GET /v1/models"}
    for one in ENDPOINTS:
        steps.setdefault(one.name, f"{one.method} /api/{'/'.join(one.path)}")
    if as_json:
        write_json({"steps": steps, "kinds": dict(KINDS)})
        return
    write_table((Column("step"), Column("what it is")), list(steps.items()))
    write_line()
    write_table((Column("kind"), Column("what happens")), list(KINDS.items()))


def _settings(host: str, pools: str, quirks: str, faults: str, seed: int) -> PlatformSettings:
    """Raises: CommandFailed."""
    import time

    from gateway.simulator.platform.faults import FaultError, faults_from_text
    from gateway.simulator.platform.quirks import QuirkError, quirks_from_text
    from gateway.simulator.platform.settings import DEFAULT_KEY, PlatformSettings, SetupError, read_setup

    key = os.environ.get(KEY_VARIABLE) or DEFAULT_KEY
    if key == DEFAULT_KEY and not _is_loopback(host):
        raise CommandFailed(f"{host} can be reached by others: set {KEY_VARIABLE} to a key of your own")
    try:
        found: dict[str, Any] = {} if pools == "default" else read_setup(Path(pools).read_text(encoding="utf-8"))
        if password := os.environ.get("SIMULATOR_ADMIN_PASSWORD"):
            found["admin_password"] = password
        return PlatformSettings(
            **found,
            quirks=quirks_from_text(quirks),
            faults=tuple(faults_from_text(faults)) if faults else (),
            seed=seed,
            api_keys={key: None},
            host="127.0.0.1" if host in ("0.0.0.0", "localhost") else host,
            epoch_us=time.time_ns() // 1_000,
        )
    except (QuirkError, FaultError, SetupError) as problem:
        raise CommandFailed(f"{problem}") from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise CommandFailed(f"{pools} can't be read: {problem}") from problem


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(settings: PlatformSettings, host: str, port: int, speed: int) -> None:
    from gateway.simulator.platform.app import create_platform
    from gateway.simulator.platform.clock import ScaledClock
    from gateway.simulator.platform.server import PlatformServer

    server = PlatformServer(create_platform(settings, ScaledClock(speed)), host, port)
    await server.start()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    _greet(server, settings, speed)
    await stopped.wait()
    await server.stop()


def _greet(server: PlatformServer, settings: PlatformSettings, speed: int) -> None:
    from gateway.simulator.platform.quirks import NAMES
    from gateway.simulator.platform.settings import DEFAULT_TEAM

    base, key = f"{server.url}/api", next(iter(settings.api_keys))
    first = f"hosted.ai is simulated at {base}  (Ctrl-C stops it)"
    write_styled(first, [(26, 26 + len(base), "bold")])
    shown = sum([getattr(settings.quirks, name) > 0 for name in NAMES])
    pools = ", ".join(f"{pool.id} {pool.name}" for pool in settings.pools)
    write_line(f"  pools    {pools}")
    write_line(f"  time     {speed} times real time; quirks {shown} of {len(NAMES)}; seed {settings.seed}")
    write_line("  honesty  no GPU and no model: texts are derived from the prompt, latencies are a model's")
    write_line(f"  key      {key}" if not os.environ.get(KEY_VARIABLE) else f"  key      that of {KEY_VARIABLE}")
    if not os.environ.get("SIMULATOR_ADMIN_PASSWORD"):
        write_line(f"  admin    {settings.admin_username} / {settings.admin_password}")
    head = f'-H "x-api-key: ${KEY_VARIABLE}"' if os.environ.get(KEY_VARIABLE) else f"-H 'x-api-key: {key}'"
    pool = settings.pools[min(1, len(settings.pools) - 1)].id
    take = json.dumps({"pool_id": pool, "team_id": DEFAULT_TEAM, "vgpus": 1})
    write_line("  try")
    write_line(f"    curl {head} '{base}/gpuaas/available-pools?team_id={DEFAULT_TEAM}&gpuaas_id=1'")
    write_line(f"    curl {head} {base}/gpuaas/pool/subscribe -d '{take}'")
    write_line(f"    curl {head} '{base}/gpuaas/pool-subscription?team_id={DEFAULT_TEAM}'   # until its pod is Running")
    write_line(f"    curl {server.url}/pods/POD_NAME/v1/chat/completions -d '{_ask(settings)}'")


def _ask(settings: PlatformSettings) -> str:
    return json.dumps({"model": settings.models[0], "messages": [{"role": "user", "content": "What is a vGPU?"}]})

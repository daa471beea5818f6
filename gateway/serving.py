"""Serves the gateway with uvicorn until a signal ends it: settings first, then the port, then a greeting.

It knows no command line: `harpoon serve` is read by gateway/commands/serve.py, or without Typer by gateway/cli.py.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from gateway.address import USUAL_HOST, USUAL_PORT
from gateway.failure import CommandFailed
from gateway.output import write_styled

if TYPE_CHECKING:
    from gateway.settings import HostSettings
    from worker.configuration import Configuration

#: Where commands look if nothing else is said.
USUAL_URL = f"http://{USUAL_HOST}:{USUAL_PORT}/v1"


def serve_gateway(host: str = "", port: str = "", workers: str = "", config: Path | None = None) -> None:
    """Serve until a signal says stop; what is empty comes from file and environment. Raises: CommandFailed."""
    # Nothing that a start makes is garbage, and looking for it takes a tenth of the start; gateway/app.py has it looked
    # for again once it serves.
    gc.disable()
    from gateway.home import home_folder
    from gateway.log import format_for, set_up_logging
    from gateway.otel_settings import check_packages, otel_secrets, read_otel
    from gateway.sessions.routes_check import routes_problems
    from gateway.settings import find_config, read_settings
    from worker.errors import IntegrityError

    flags = {"SERVICE_HOST": host, "SERVICE_PORT": port, "HARPOON_WORKERS": workers}
    try:
        settings = read_settings(os.environ, flags, find_config(os.environ, config, home_folder()))
        if read_otel(os.environ) is not None:
            check_packages()
    except IntegrityError as problem:
        raise CommandFailed(problem.message) from problem
    problems = routes_problems(settings.configuration.sessions, os.environ, settings.state)
    if problems:
        raise CommandFailed("\n".join(problems))
    os.umask(0o077)  # before anything is created: what the state holds is the operator's alone
    # Worker processes are told by their environment, so that a secret never shows in a process list.
    os.environ.update(settings.values)
    _check_port(settings.host, settings.port)
    _greet(settings)
    secrets = (*settings.secrets, *otel_secrets(os.environ))
    set_up_logging(settings.log_level, secrets, format_for(settings.log_format, sys.stderr))
    import uvicorn

    from gateway.app import build_from

    one_process = settings.workers == 1
    if not one_process:
        gc.enable()  # here they are only looked after
    # Once it has stopped in good order, the server raises the signal that told it to, for whoever waits here.
    signal.signal(signal.SIGTERM, _leave)
    uvicorn.run(
        # Another process reads its settings anew.
        partial(build_from, settings) if one_process else "gateway.app:build",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http="gateway.adapters.http_protocol:BoundedProtocol",
        ws="none",  # a library for it may be installed; nothing here speaks it
        timeout_keep_alive=settings.idle_timeout_s,
        lifespan="on",
        access_log=False,
        log_config=None,  # its records go the way of all others
        log_level=settings.log_level,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
    )


def _check_port(host: str, port: int) -> None:
    """Raises: CommandFailed if nobody can listen there; said before anything else, and once for all workers."""
    if not port:
        return  # any port that is free
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as problem:
        raise CommandFailed(
            f"can't listen on {host}: {problem.strerror}; choose another with SERVICE_HOST"
        ) from problem
    problems = [one for one in (_bind_problem(*address) for address in found) if one is not None]
    # A name may also stand for an address that this machine lacks, as localhost does where there is no IPv6.
    decisive = next((one for one in problems if one.errno == errno.EADDRINUSE), problems[0] if problems else None)
    if decisive is None or (len(problems) < len(found) and decisive.errno == errno.EADDRNOTAVAIL):
        return
    why = "the port is taken" if decisive.errno == errno.EADDRINUSE else decisive.strerror
    raise CommandFailed(f"can't listen on {host} port {port}: {why}; choose another with SERVICE_PORT or --port")


def _bind_problem(family: int, kind: int, protocol: int, _name: str, address: Any) -> OSError | None:
    """What stands in the way of listening at an address, or None."""
    try:
        with socket.socket(family, kind, protocol) as listener:
            # As the server itself listens: what only waits for its last packets is no obstacle.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
    except OSError as problem:
        return problem
    return None


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _access(configuration: Configuration) -> str:
    """Who may come in."""
    tokens, sessions = len(configuration.tokens), configuration.sessions
    found = [f"{tokens} token(s)"] if tokens else []
    if sessions.is_alone and sessions.api_key:
        found.append("SCR_API_KEY")
    if configuration.stored_keys:
        found.append("stored keys" if found else "stored keys only: `harpoon keys create` makes one")
    return " and ".join(found) or "open to this machine, without a token"


def _greet_reporters(root: str, *, has_key: bool) -> None:
    """What is there where sessions are reported and nothing else is served."""
    write_styled(f"  pages      {root}/dashboard")
    secret = ' -H "x-api-key: $SCR_API_KEY"' if has_key else ""
    body = json.dumps({"session_id": "sess_1", "usage": {"total_tokens": 100}, "outcome": "success"})
    write_styled(f"  try        curl {root}/api/session-completion/events{secret} -d '{body}'")
    sys.stdout.flush()


def _greet(settings: HostSettings) -> None:
    configuration = settings.configuration
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    where = f"http://{host}:{settings.port}/v1"
    first = f"harpoon serves {where}  (Ctrl-C stops it)"
    write_styled(first, [(0, 7, "bold"), (15, 15 + len(where), "bold")])
    write_styled(f"  providers  {', '.join(sorted(configuration.configured)) or 'none'}")
    if "simulator" in configuration.configured:
        write_styled("             the simulator answers from the prompt alone: there is no model behind it")
    write_styled(f"  access     {_access(configuration)}")
    write_styled(f"  state      {settings.state}")
    root = where.removesuffix("/v1")
    if configuration.sessions.is_alone:
        _greet_reporters(root, has_key=bool(configuration.sessions.api_key))
        return
    write_styled(f"  pages      {root}/  the live demo; {root}/hosted-ai-presentation.html  the presentation")
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}]})
    is_open = configuration.keyring().is_open
    secret = "" if is_open else " -H 'authorization: Bearer hk_<tenant>_<secret>'"
    write_styled(f"  try        curl {where}/chat/completions{secret} -H 'content-type: application/json' -d '{body}'")
    elsewhere = "" if where == USUAL_URL else f"HARPOON_URL={root} "
    token = "" if is_open else " --token 'hk_<tenant>_<secret>'"
    write_styled(f'  ask        {elsewhere}harpoon ask "What is a vGPU?"{token}')
    sys.stdout.flush()

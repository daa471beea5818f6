"""The platform on real sockets: one port for the panels, and one more for every service that a pod exposes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.simulator.platform.app import PlatformApp

#: Where node ports begin, as on Kubernetes; the system chooses where these are taken.
FIRST_NODE_PORT: Final = 31_000
MOST_NODE_PORTS: Final = 1_700
#: Connections get two seconds to end by themselves.
_LOOKS: Final = 200
_LOOK_S: Final = 0.01


class _ClosableProtocol(HttpToolsProtocol):
    """One connection, which the application may close without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {"close_connection": transport.abort}


class PlatformServer:
    """Serves an application's platform until it is stopped. `port`: where the panels are, once it has started."""

    def __init__(self, app: PlatformApp, host: str = "127.0.0.1", port: int = 0) -> None:
        self.app = app
        self.host = host
        self.port = port
        self._config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False)
        self._state = ServerState()
        self._servers: dict[int, asyncio.Server] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._opening: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises: OSError if nobody can listen there."""
        self._config.load()
        listener = _listener(self.host, self.port)
        self.port = listener.getsockname()[1]
        await self._serve(listener)
        self.app.platform.ports = self

    async def stop(self) -> None:
        """End every connection and listen no more."""
        for port in list(self._servers):
            self.close(port)
        for connection in list(self._state.connections):
            connection.shutdown()
        for _ in range(_LOOKS):
            if not self._state.connections:
                break
            await asyncio.sleep(_LOOK_S)
        tasks = [*self._state.tasks, *self._opening]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    async def __aenter__(self) -> PlatformServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where the server is, without a path."""
        return f"http://{self.host}:{self.port}"

    def open(self) -> int:
        """See NodePorts. A client that connects before the loop gets to it waits for that moment only."""
        for wanted in (*range(FIRST_NODE_PORT, FIRST_NODE_PORT + MOST_NODE_PORTS), 0):
            if wanted in self._sockets:
                continue
            with contextlib.suppress(OSError):
                listener = _listener(self.host, wanted)
                break
        else:
            raise OSError("there is no free port")
        port: int = listener.getsockname()[1]
        self._sockets[port] = listener
        task = asyncio.ensure_future(self._serve(listener))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return port

    def close(self, port: int) -> None:
        """See NodePorts."""
        server, listener = self._servers.pop(port, None), self._sockets.pop(port, None)
        if server is not None:
            server.close()
        elif listener is not None:
            listener.close()

    async def _serve(self, listener: socket.socket) -> None:
        port = listener.getsockname()[1]
        server = await asyncio.get_running_loop().create_server(self._protocol, sock=listener)
        self._servers[port] = server
        if port != self.port and port not in self._sockets:  # closed before it was open
            self.close(port)

    def _protocol(self) -> Any:
        return _ClosableProtocol(config=self._config, server_state=self._state, app_state={})


def _listener(host: str, port: int) -> socket.socket:
    """Raises: OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio switch off the wait for more to send, which costs 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener

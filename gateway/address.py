"""Where a command finds the server: the address it is given, else the one that the settings of this machine say."""

from __future__ import annotations

import os
import re
from typing import Final

from gateway.failure import CommandFailed

USUAL_HOST: Final = "127.0.0.1"
USUAL_PORT: Final = "8080"
_EVERYWHERE: Final = {"0.0.0.0": USUAL_HOST, "::": "::1", "": USUAL_HOST}
_HAS_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_IS_LOOPBACK: Final = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?(?:/.*)?", re.IGNORECASE)


def server_url(given: str) -> str:
    """The address of the server: as given, with http:// before a loopback address that has no scheme, or as set here.

    Raises: CommandFailed for another address without a scheme.
    """
    if not given:
        return _set_here()
    if _HAS_SCHEME.match(given):
        return given
    if _IS_LOOPBACK.fullmatch(given):
        return f"http://{given}"
    raise CommandFailed(
        f"--url {given} is no address: write it with http:// or https://, such as http://127.0.0.1:{USUAL_PORT}"
    )


def _set_here() -> str:
    """Where `harpoon serve` would listen on this machine: by the environment, then the configuration file."""
    host, port = os.environ.get("SERVICE_HOST", ""), os.environ.get("SERVICE_PORT", "")
    if not (host and port):
        filed = _filed()
        host, port = host or filed[0], port or filed[1]
    host = _EVERYWHERE.get(host, host)
    if not (port.isascii() and port.isdecimal()) or int(port) == 0:
        port = USUAL_PORT  # what can't be listened on is said by `harpoon serve` and `harpoon config check`
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _filed() -> tuple[str, str]:
    """Host and port of the configuration file; a file that can't be read sets none."""
    from gateway.home import home_folder
    from gateway.settings import DEFAULT, find_config, gather_settings
    from worker.errors import SettingsError

    try:
        path = find_config(os.environ, None, home_folder())
        if path is None:
            return "", ""
        gathered = gather_settings({}, {}, path)
    except SettingsError:
        return "", ""
    names = ("SERVICE_HOST", "SERVICE_PORT")
    host, port = ("" if gathered.sources[name].kind == DEFAULT else gathered.values[name] for name in names)
    return host, port

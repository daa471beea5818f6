"""Settings of the container: defaults < configuration file < environment < flags, read once and checked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from worker.configuration import SETTINGS, Configuration, Setting, read_configuration
from worker.errors import SettingsError

HOST_SETTINGS = (
    Setting("SERVICE_HOST", "address to listen on; anything but loopback needs HARPOON_TOKENS", "127.0.0.1"),
    Setting("SERVICE_PORT", "port to listen on", "8080"),
    Setting("HARPOON_WORKERS", "worker processes; budgets stay exact with several", "1"),
    Setting("HARPOON_STATE", "folder of the database; made if it is missing", "~/.local/state/harpoon"),
    Setting("HARPOON_CATALOGUE", "file with a catalogue of your own (JSON)"),
    Setting("HARPOON_SIMULATOR_SPEED", "times the pace the pools would have, a whole number; 0 = no waiting", "1"),
)
ALL_SETTINGS = HOST_SETTINGS + SETTINGS
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
MAX_WORKERS = 64


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Where and how this process serves. `simulator_speed`: 0 = no waiting."""

    host: str
    port: int
    workers: int
    state: Path
    simulator_speed: int
    configuration: Configuration = field(repr=False)
    values: Mapping[str, str] = field(repr=False)


def read_settings(environment: Mapping[str, str], flags: Mapping[str, str], config: Path | None) -> HostSettings:
    """The settings that hold. Raises: SettingsError saying which one and what it should be."""
    values = {setting.name: setting.default for setting in ALL_SETTINGS}
    values |= _read_file(config) if config is not None else {}
    values |= {name: environment[name] for name in values if environment.get(name)}
    values |= {name: value for name, value in flags.items() if value}
    if values["HARPOON_CATALOGUE"] and not values["HARPOON_CATALOGUE_JSON"]:
        values["HARPOON_CATALOGUE_JSON"] = _read_text("HARPOON_CATALOGUE", Path(values["HARPOON_CATALOGUE"]))
    host = values["SERVICE_HOST"]
    if host in LOOPBACK and not values["HARPOON_TOKENS"] and values["HARPOON_OPEN"] == "0":
        values["HARPOON_OPEN"] = "1"
    configuration = read_configuration(values)
    if not configuration.tokens and (host not in LOOPBACK or not configuration.open_access):
        raise SettingsError(
            f"listening on {host} without a token would serve everybody who can connect: set HARPOON_TOKENS="
            "hk_<tenant>_<secret>, or listen on 127.0.0.1"
        )
    configuration.keyring()
    return HostSettings(
        host=host,
        port=_number(values, "SERVICE_PORT", 0, 65_535),
        workers=_number(values, "HARPOON_WORKERS", 1, MAX_WORKERS),
        state=Path(values["HARPOON_STATE"]).expanduser(),
        simulator_speed=_number(values, "HARPOON_SIMULATOR_SPEED", 0, 1_000_000),
        configuration=configuration,
        values=values,
    )


def _read_text(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"{name}: {path} can't be read") from problem


def _read_file(path: Path) -> dict[str, str]:
    """Settings by name from a YAML mapping, such as `SERVICE_PORT: 9000`. Unknown names are errors."""
    text = _read_text("--config", path)
    try:
        plain = yaml.safe_load(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise SettingsError(f"{path}{where}: not YAML") from problem
    if plain is None:
        return {}
    if not isinstance(plain, dict):
        raise SettingsError(f"{path}: expected NAME: value lines; `harpoon serve --help` lists the names")
    written = [key.value for key, _ in node.value] if node is not None else []
    known = {setting.name for setting in ALL_SETTINGS}
    values: dict[str, str] = {}
    for name, value in plain.items():
        if name not in known:
            raise SettingsError(f"{path}: there is no setting {name!r}; `harpoon settings` lists them")
        if written.count(name) > 1:
            raise SettingsError(f"{path}: {name} is there twice")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise SettingsError(f"{path}: {name} must be a text or a number (quote yes, no, on and off)")
        values[name] = str(value)
    return values


def _number(values: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = values[name]
    if not text.isascii() or not text.isdecimal() or len(text) > 12 or not least <= int(text) <= most:
        raise SettingsError(f"{name} must be a whole number from {least} to {most}")
    return int(text)

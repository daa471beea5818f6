"""Settings of the container: defaults < configuration file < environment < flags, read once and checked at once.

Where each value came from is kept, so that an error can name the line to mend, and everything wrong is said together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.config_problem import Problem
from gateway.home import with_home
from gateway.hostedai.settings import DIALECTS, DIRECT, HOSTED_AI_SETTINGS, LEASED_URL
from gateway.log import LOG_FORMATS
from worker.access_settings import names_in_catalogue
from worker.catalogue_settings import choice_setting
from worker.configuration import Configuration, read_configuration
from worker.errors import CatalogueError, SettingsError
from worker.guard.logs import secrets_in
from worker.routing.labels import fold_ascii, is_decimal
from worker.sessions.settings import SESSIONS
from worker.settings_table import SETTINGS, Setting

if TYPE_CHECKING:
    from gateway.hostedai.dialect import LeaseSettings

_FUSION = "read by fusion, when it lands"
_LATER = "read by a later part of Harpoon"
HOST_SETTINGS = (
    Setting("SERVICE_HOST", "address to listen on; anything but loopback needs HARPOON_TOKENS", "127.0.0.1"),
    Setting("SERVICE_PORT", "port to listen on", "8080"),
    Setting("SERVICE_LOG_LEVEL", "what the log on standard error holds: debug, info, warning or error", "warning"),
    Setting("SERVICE_LOG_FORMAT", "json or text, a line each; auto = text on a terminal, else json", "auto"),
    Setting("HARPOON_CONFIG", "the configuration file, if it is not ~/.orchestrator/config.yaml"),
    Setting("HARPOON_WORKERS", "worker processes; budgets stay exact with several", "1"),
    Setting("HARPOON_STATE", "folder of the database; made if it is missing", "~/.local/state/harpoon"),
    Setting("HARPOON_CATALOGUE", "file with a catalogue of your own (JSON)"),
    Setting("HARPOON_CORRECTION", "file with a correction of the classifier, as `harpoon learn` writes it"),
    Setting("HARPOON_SIMULATOR_SPEED", "times real time the simulated pools run at, whole; 0 = no waiting", "1"),
    Setting("HARPOON_MAX_CONNECTIONS", "most open connections to all providers together, for each process", "1024"),
    Setting("HARPOON_HEAD_TIMEOUT_S", "longest time until a request's head is complete, in seconds", "10"),
    Setting("HARPOON_BODY_TIMEOUT_S", "longest time from there until its body is complete, in seconds", "30"),
    Setting("HARPOON_IDLE_TIMEOUT_S", "longest time a connection is kept open between two requests, in seconds", "75"),
    Setting("HARPOON_MAX_CONNECTIONS_PER_HOST", "most open connections to one provider, for each process", "512"),
    Setting("HARPOON_PROBE_S", "how often a provider without calls is asked for its models, in s; 0 = never", "0"),
)
#: Accepted and checked, so that a file can be written once; `config show` says that nothing reads them yet.
LATER_SETTINGS = (
    Setting("HARPOON_HYGIENE_THRESHOLD", "least hygiene score of a fragment, 0 to 1", "0.7", later=_FUSION),
    Setting("HARPOON_MAX_ITERATIONS", "most rounds of an envelope cycle", "10", later=_FUSION),
    Setting("HARPOON_THREAD_COUNT", "threads of fusion; unset = as many as fit", later=_FUSION),
    Setting(
        "HOSTED_AI_MAX_RETRIES",
        "retries for hosted.ai alone",
        later="not used yet: HARPOON_MAX_RETRIES holds for every provider",
    ),
    Setting("MCP_WS_HOST", "address of the MCP WebSocket", "127.0.0.1", later=_LATER),
    Setting("MCP_WS_PORT", "port of the MCP WebSocket", "3002", later=_LATER),
    Setting("MCP_API_KEY", "key of the MCP WebSocket", secret=True, later=_LATER),
    Setting("GITHUB_CLIENT_ID", "GitHub's OAuth application", later=_LATER),
    Setting("GITHUB_CLIENT_SECRET", "its secret", secret=True, later=_LATER),
)
ALL_SETTINGS = HOST_SETTINGS + SETTINGS + HOSTED_AI_SETTINGS + LATER_SETTINGS
DEFAULTS = {setting.name: setting.default for setting in ALL_SETTINGS}
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
MAX_WORKERS = 64
CONFIG_FILE: Final = Path(".orchestrator") / "config.yaml"
DEFAULT, FILE, ENVIRONMENT, FLAG = "default", "file", "environment", "flag"
_LOG_LEVELS = {"trace": "debug", "warn": "warning"} | {name: name for name in ("debug", "info", "warning", "error")}
#: What a wrong setting is taken for while the others are checked, where its default would look wrong too.
_STAND_INS = {"HARPOON_TOKENS": "hk_local_unset"}


class Source(NamedTuple):
    """Where a value came from: default, file, environment or flag; in a file, under which key and at which place.

    `where`: `file:line`.
    """

    kind: str
    key: str = ""
    line: int = 0
    column: int = 0
    where: str = ""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Every setting's value with where it came from, before any of them is checked; and what is wrong with the file.

    `own`: the settings of providers that only the operator's catalogue has; they stand in the environment alone.
    """

    config: Path | None
    values: Mapping[str, str] = field(repr=False)
    sources: Mapping[str, Source]
    problems: tuple[Problem, ...]
    own: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Where and how this process serves. `simulator_speed`: 0 = no waiting. `config`: the file that was read.

    `leases`: how pools of hosted.ai are leased, None = not at all.
    """

    host: str
    port: int
    workers: int
    state: Path
    simulator_speed: int
    max_connections: int
    max_connections_per_host: int
    head_timeout_us: int
    body_timeout_us: int
    idle_timeout_s: int
    probe_us: int
    log_level: str
    log_format: str
    configuration: Configuration = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    config: Path | None = None
    leases: LeaseSettings | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that no log may hold."""
        names = [setting.name for setting in ALL_SETTINGS if setting.secret]
        return secrets_in(self.values, names + [name for name in self.values if name.endswith("_API_KEY")])


def find_config(environment: Mapping[str, str], config: Path | None, home: Path | None) -> Path | None:
    """The configuration file: the one named by flag, else by HARPOON_CONFIG, else the one in `home` if it is there.

    Args: home: the user's folder, None = there is none. Raises: SettingsError for a `~` that is nobody's folder.
    """
    if config is not None:
        return config
    named = environment.get("HARPOON_CONFIG")
    if named:
        return _expanded("HARPOON_CONFIG", named)
    usual = home / CONFIG_FILE if home is not None else None
    return usual if usual is not None and usual.exists() else None


def gather_settings(environment: Mapping[str, str], flags: Mapping[str, str], config: Path | None) -> Gathered:
    """Every setting from the last source that has it; empty means: not there.

    Args: config: the file, None = none. Raises: SettingsError if it can't be read at all.
    """
    values, sources = dict(DEFAULTS), dict.fromkeys(DEFAULTS, Source(DEFAULT))
    problems: tuple[Problem, ...] = ()
    if config is not None:
        from gateway.config_file import read_config_file  # YAML is heavy, and most starts have no file

        file = read_config_file(config, DEFAULTS.keys() - {"HARPOON_CONFIG"})
        problems = file.problems
        for name, written in file.written.items():
            if not written.text:
                continue
            values[name] = written.text
            sources[name] = Source(FILE, written.key, written.line, written.column, f"{config}:{written.line}")
    for kind, given in ((ENVIRONMENT, environment), (FLAG, flags)):
        for name in DEFAULTS:
            if given.get(name):
                values[name], sources[name] = given[name], Source(kind)
    own = _own_settings(values)
    for setting in own:
        given_value = environment.get(setting.name, "")
        values[setting.name] = given_value
        sources[setting.name] = Source(ENVIRONMENT if given_value else DEFAULT)
    return Gathered(config, values, sources, problems, own)


def _own_settings(values: Mapping[str, str]) -> tuple[Setting, ...]:
    """The settings of providers that only the operator's own catalogue has; none if it can't be read."""
    text = values["HARPOON_CATALOGUE_JSON"]
    if not text and values["HARPOON_CATALOGUE"]:
        try:
            text = _read_text("HARPOON_CATALOGUE", Path(values["HARPOON_CATALOGUE"]))
        except SettingsError:
            text = ""  # said when the settings are checked
    names = [name for name in names_in_catalogue(text) if name not in DEFAULTS]
    return tuple(Setting(name, "of a provider of your catalogue", secret=name.endswith("_API_KEY")) for name in names)


def read_settings(environment: Mapping[str, str], flags: Mapping[str, str], config: Path | None) -> HostSettings:
    """The settings that hold. Raises: SettingsError with a line for each that is wrong, saying what it should be."""
    gathered = gather_settings(environment, flags, config)
    settings, problems = check_settings(gathered)
    if settings is None:
        raise SettingsError("\n".join(problems))
    return settings


def check_settings(gathered: Gathered) -> tuple[HostSettings | None, tuple[str, ...]]:
    """The settings that hold, or everything that is wrong.

    After each fault the setting is put back to its default, so that the rest is checked too.
    """
    values, found = dict(gathered.values), list(gathered.problems)
    for _ in DEFAULTS:
        try:
            settings = _checked(values, gathered.config)
        except (SettingsError, CatalogueError) as problem:
            name = problem.param or ""
            found.append(_located(problem.message, name, gathered.sources.get(name)))
            stand_in = _STAND_INS.get(name, DEFAULTS.get(name))
            if stand_in is None or values[name] == stand_in:
                break
            values[name] = stand_in
        else:
            if not found:
                return settings, ()
            break
    return None, tuple(problem.to_text(gathered.config) for problem in sorted(found))


def _located(message: str, name: str, source: Source | None) -> Problem:
    """The problem, at the place in the file to mend if it is there that the value came from."""
    if source is None or source.kind != FILE:
        return Problem(0, 0, "", message)
    rest = message.removeprefix(name).removeprefix(":").strip()
    return Problem(source.line, source.column, source.key, rest)


def _checked(given: Mapping[str, str], config: Path | None) -> HostSettings:
    """Raises: SettingsError or CatalogueError for the first setting that is wrong, its `param` the name."""
    values = dict(given)
    if values["HARPOON_CATALOGUE"] and not values["HARPOON_CATALOGUE_JSON"]:
        values["HARPOON_CATALOGUE_JSON"] = _read_text("HARPOON_CATALOGUE", Path(values["HARPOON_CATALOGUE"]))
    if values["HARPOON_CORRECTION"] and not values["HARPOON_CORRECTION_JSON"]:
        values["HARPOON_CORRECTION_JSON"] = _read_text("HARPOON_CORRECTION", Path(values["HARPOON_CORRECTION"]))
    host = values["SERVICE_HOST"]
    has_keys = values["HARPOON_TOKENS"] or values["HARPOON_ADMIN_TOKEN"] or values["HARPOON_STORED_KEYS"] == "on"
    if values["HARPOON_SURFACES"] == SESSIONS:
        has_keys = has_keys or values["SCR_API_KEY"]
    if host in LOOPBACK and not has_keys and values["HARPOON_OPEN"] == "0":
        values["HARPOON_OPEN"] = "1"
    leases = _leases(values)
    try:
        configuration = read_configuration(values if leases is None else {**values, "HOSTED_AI_BASE_URL": LEASED_URL})
    except SettingsError as problem:
        if problem.param == "HARPOON_CATALOGUE_JSON" and not given["HARPOON_CATALOGUE_JSON"]:
            problem.param = "HARPOON_CATALOGUE"
        if problem.param == "HARPOON_CORRECTION_JSON" and not given["HARPOON_CORRECTION_JSON"]:
            problem.param = "HARPOON_CORRECTION"
        raise
    sessions = configuration.sessions
    closed = configuration.tokens or configuration.stored_keys or (sessions.is_alone and sessions.api_key)
    if not closed and (host not in LOOPBACK or not configuration.open_access):
        raise SettingsError(
            f"listening on {host} without a token would serve everybody who can connect: set HARPOON_TOKENS="
            "hk_<tenant>_<secret>, or listen on 127.0.0.1",
            param="SERVICE_HOST",
        )
    configuration.keyring()
    level = _LOG_LEVELS.get(fold_ascii(values["SERVICE_LOG_LEVEL"]))
    if level is None:
        raise _wrong("SERVICE_LOG_LEVEL", "must be one of debug, info, warning, error")
    for name, (is_right, expected) in _LATER_CHECKS.items():
        if values[name] and not is_right(values[name]):
            raise _wrong(name, f"must be {expected}")
    return HostSettings(
        host=host,
        port=_number(values, "SERVICE_PORT", 0, 65_535),
        workers=_number(values, "HARPOON_WORKERS", 1, MAX_WORKERS),
        state=_expanded("HARPOON_STATE", values["HARPOON_STATE"]),
        simulator_speed=_number(values, "HARPOON_SIMULATOR_SPEED", 0, 1_000_000),
        max_connections=_number(values, "HARPOON_MAX_CONNECTIONS", 1, 1_000_000),
        max_connections_per_host=_number(values, "HARPOON_MAX_CONNECTIONS_PER_HOST", 1, 1_000_000),
        head_timeout_us=_number(values, "HARPOON_HEAD_TIMEOUT_S", 1, 3_600) * 1_000_000,
        body_timeout_us=_number(values, "HARPOON_BODY_TIMEOUT_S", 1, 86_400) * 1_000_000,
        idle_timeout_s=_number(values, "HARPOON_IDLE_TIMEOUT_S", 1, 3_600),
        probe_us=_number(values, "HARPOON_PROBE_S", 0, 86_400) * 1_000_000,
        log_level=level,
        log_format=choice_setting(values, "SERVICE_LOG_FORMAT", LOG_FORMATS),
        configuration=configuration,
        values=values,
        config=config,
        leases=leases,
    )


def _leases(values: Mapping[str, str]) -> LeaseSettings | None:
    """How pools are leased, None = not at all, and then nothing of it is imported. Raises: SettingsError."""
    if choice_setting(values, "HOSTED_AI_DIALECT", DIALECTS) == DIRECT:
        return None
    from gateway.hostedai.dialect import read_dialect

    return read_dialect(values)


def _expanded(name: str, path: str) -> Path:
    """Raises: SettingsError."""
    found = with_home(path)
    if found is None:
        raise _wrong(name, "must be a path without ~ here, because this user has no home folder")
    return found


def _wrong(name: str, expected: str) -> SettingsError:
    return SettingsError(f"{name} {expected}", param=name)


def _read_text(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"{name}: {path} can't be read", param=name) from problem


def _number(values: Mapping[str, str], name: str, least: int, most: int) -> int:
    if not _is_whole(values[name], least, most):
        raise _wrong(name, f"must be a whole number from {least} to {most}")
    return int(values[name])


def _is_whole(text: str, least: int, most: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 12 and least <= int(text) <= most


_LATER_CHECKS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "HARPOON_HYGIENE_THRESHOLD": (lambda text: is_decimal(text, 1), "a number from 0 to 1, such as 0.7"),
    "HARPOON_MAX_ITERATIONS": (lambda text: _is_whole(text, 1, 1_000_000), "a whole number from 1 to 1000000"),
    "HARPOON_THREAD_COUNT": (lambda text: _is_whole(text, 1, 1_024), "a whole number from 1 to 1024, or left out"),
    "HOSTED_AI_MAX_RETRIES": (lambda text: _is_whole(text, 0, 5), "a whole number from 0 to 5"),
    "MCP_WS_PORT": (lambda text: _is_whole(text, 0, 65_535), "a whole number from 0 to 65535"),
}

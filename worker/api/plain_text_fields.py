"""The bodies of the plain-text endpoints, read and checked: what is not understood is refused, never ignored.

A covenant is not read here: its JSON text goes on to the chat endpoint as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.api.answers import Receive, Scope
from worker.api.chat import read_body
from worker.errors import MalformedRequest
from worker.routing.deployments import DEPLOYMENTS, HOSTED_AI, NATIVE, SIMULATOR, provider_of_deployment
from worker.routing.labels import fold_ascii
from worker.strict_json import JsonLimits, JsonObject, parse_object

#: How an answer names the deployment behind a provider; any other provider goes by its own name.
DEPLOYMENT_NAMES: Mapping[str, str] = {NATIVE: "native", HOSTED_AI: "hosted_ai", SIMULATOR: "lightweight"}
MAX_REPOS = 100
MAX_NAME_CHARACTERS = 512
MAX_INDEX = 2**32 - 1
_IS_COVENANT_ID = re.compile("cov-[0-9a-f]{8}").fullmatch
_FRAGMENT_FIELDS = frozenset({"path", "idx", "lines"})
#: Members that go on to the chat endpoint as they are; it checks them.
_PASSED_ON = ("covenant", "covenant_id", "max_tokens")


@dataclass(frozen=True, slots=True)
class TextBody:
    """A body with a text. `members`: what goes on to the chat endpoint, by name, as JSON text.

    `provider`: behind the deployment named, "" = whatever is best; `has_fragment`: a fragment_context was given.
    """

    text: str
    members: dict[str, str]
    provider: str = ""
    has_fragment: bool = False


@dataclass(frozen=True, slots=True)
class StrikeBody:
    """Which covenant is to be carried into which repositories."""

    covenant_id: str
    target_repos: tuple[str, ...]


async def read_object(scope: Scope, receive: Receive, limits: JsonLimits, known: frozenset[str]) -> JsonObject | None:
    """The request's body; None if the client left. Raises: MalformedRequest, also for a member that is not `known`."""
    body = await read_body(scope, receive, limits.max_bytes)
    if body is None:
        return None
    given = parse_object(body, limits)
    for name in given.values:
        if name not in known:
            raise MalformedRequest(
                f"there is no such field here; there are {', '.join(sorted(known))}", param=name[:64]
            )
    return given


CLASSIFY_FIELDS = frozenset({"text"})
RUN_FIELDS = frozenset({"text", "model", *_PASSED_ON})
PROCESS_FIELDS = frozenset({"text", "deployment", "fragment_context", *_PASSED_ON})
STRIKE_FIELDS = frozenset({"covenant_id", "target_repos", "options"})


def text_body(given: JsonObject) -> TextBody:
    """A body of /classify, /run or /v2/process. Raises: MalformedRequest naming the field."""
    text = given.values.get("text")
    if not isinstance(text, str):
        raise MalformedRequest("text must be a string", param="text")
    members = {name: given.raw[name] for name in _PASSED_ON if given.values.get(name) is not None}
    model = given.values.get("model")
    members["model"] = given.raw["model"] if model is not None else '"auto"'
    fragment = given.values.get("fragment_context")
    if fragment is not None:
        _check_fragment(fragment)
    return TextBody(text, members, _provider(given.values.get("deployment")), fragment is not None)


def _provider(value: Any) -> str:
    """The provider behind a deployment's name, in any of its spellings; "" for none or auto."""
    if value is None or (isinstance(value, str) and fold_ascii(value) == "auto"):
        return ""
    provider = provider_of_deployment(value) if isinstance(value, str) else None
    if provider is None:
        raise MalformedRequest(f"deployment must be auto, {DEPLOYMENTS}, in any case", param="deployment")
    return provider


def _check_fragment(value: Any) -> None:
    """Raises: MalformedRequest unless it is {path, idx, lines}."""
    if not isinstance(value, dict) or set(value) != _FRAGMENT_FIELDS:
        raise MalformedRequest("fragment_context must be an object of path, idx and lines", param="fragment_context")
    index = value["idx"]
    if not all(_is_name(value[field]) for field in ("path", "lines")):
        raise MalformedRequest(
            f"path and lines must be strings of 1 to {MAX_NAME_CHARACTERS} characters", param="fragment_context"
        )
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index <= MAX_INDEX:
        raise MalformedRequest("idx must be a whole number from 0 on", param="fragment_context")


def strike_body(given: JsonObject) -> StrikeBody:
    """A body of /v2/strike. Raises: MalformedRequest naming the field."""
    values: Mapping[str, Any] = given.values
    covenant_id, repos, options = values.get("covenant_id"), values.get("target_repos"), values.get("options")
    if not isinstance(covenant_id, str) or _IS_COVENANT_ID(covenant_id) is None:
        raise MalformedRequest("covenant_id must be cov- and eight hexadecimal digits", param="covenant_id")
    if not isinstance(repos, list) or not 1 <= len(repos) <= MAX_REPOS or not all(_is_name(repo) for repo in repos):
        raise MalformedRequest(f"target_repos must be a list of 1 to {MAX_REPOS} names", param="target_repos")
    if options is not None and not isinstance(options, dict):
        raise MalformedRequest("options must be an object", param="options")
    return StrikeBody(covenant_id, tuple(repos))


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARACTERS

"""Labels: names for a tier of models, with limits and request defaults of their own, such as `gemma` and `qwen`.

A label stands for every route of its models. What it sets holds only for requests that name it, and its defaults only
where the client set none. Decimals stay text, exactly as they are sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from worker.errors import CatalogueError

#: Members of a chat body by which a client says itself whether the model shall think.
THINKING_MEMBERS: Final = ("chat_template_kwargs", "enable_thinking", "reasoning_effort", "reasoning")
MAX_TOKENS: Final = 10_000_000
MAX_DECIMALS: Final = 6
_FOLD: Final = {
    ord(upper): ord(lower)
    for upper, lower in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", strict=True)
}


@dataclass(frozen=True, slots=True)
class Label:
    """A name for models. `names`: further names; 0 and "" = not set; `enable_thinking` is "true", "false" or ""."""

    id: str
    models: tuple[str, ...]
    names: tuple[str, ...] = ()
    context_limit_tokens: int = 0
    max_output_tokens: int = 0
    temperature: str = ""
    top_p: str = ""
    enable_thinking: str = ""


def fold_ascii(text: str) -> str:
    """`text` with A-Z in lower case, and nothing else changed."""
    return text.translate(_FOLD)


def is_decimal(text: str, most: int) -> bool:
    """Whether `text` is a plain JSON number from 0 to `most` with at most six decimals."""
    whole, point, fraction = text.partition(".")
    if len(whole) > 3 or len(fraction) > MAX_DECIMALS or not set("0123456789").issuperset(whole + fraction):
        return False
    if not whole or (len(whole) > 1 and whole[0] == "0") or (point and not fraction):
        return False
    return int(whole) < most or (int(whole) == most and not fraction.strip("0"))


def check_label(label: Label) -> None:
    """Raises: CatalogueError for a number or a text that no request may have."""
    where = f"the label {label.id!r}"
    if not label.models or len(set(label.models)) != len(label.models):
        raise CatalogueError(f"{where} must name at least one model, and each once")
    if not 0 <= label.context_limit_tokens <= MAX_TOKENS or not 0 <= label.max_output_tokens <= MAX_TOKENS:
        raise CatalogueError(f"{where}: its limits must be from 1 to {MAX_TOKENS} tokens, or 0 for none")
    if 0 < label.context_limit_tokens < label.max_output_tokens:
        raise CatalogueError(f"{where}: max_output_tokens must be within its context_limit_tokens")
    if label.temperature and not is_decimal(label.temperature, 2):
        raise CatalogueError(f'{where}: temperature must be a text such as "0.7", from 0 to 2')
    if label.top_p and not is_decimal(label.top_p, 1):
        raise CatalogueError(f'{where}: top_p must be a text such as "0.9", from 0 to 1')
    if label.enable_thinking not in ("", "true", "false"):
        raise CatalogueError(f'{where}: enable_thinking must be "true", "false" or ""')


def request_defaults(label: Label, given: Mapping[str, Any], template_options: bool) -> dict[str, str]:
    """The members of a chat body that `label` adds, as JSON texts by name.

    Args: given: the client's body; a member that is null counts as not set. template_options: whether the provider
    takes `chat_template_kwargs`, the member by which Qwen's template is told to think; others would refuse it.
    """
    added = {}
    if label.temperature and given.get("temperature") is None:
        added["temperature"] = label.temperature
    if label.top_p and given.get("top_p") is None:
        added["top_p"] = label.top_p
    unasked = all(given.get(name) is None for name in THINKING_MEMBERS)
    if label.enable_thinking and template_options and unasked:
        added["chat_template_kwargs"] = f'{{"enable_thinking":{label.enable_thinking}}}'
    return added

"""What settings change in the catalogue: labels, what a native server attests, and which of hosted.ai's pools exist.

Nothing is guessed: a value that fits nothing in the catalogue ends the start, with the name of its setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from worker.covenant.policy import REQUIREMENTS
from worker.covenant.regions import region_of
from worker.errors import SettingsError
from worker.routing.catalogue import Catalogue, Offer, Pool, compile_catalogue
from worker.routing.deployments import HOSTED_AI, NATIVE
from worker.routing.labels import MAX_TOKENS, Label, fold_ascii, is_decimal

#: The labels that have settings, with the beginning of their names.
LABEL_SETTINGS = {"gemma": "HARPOON_GEMMA_", "qwen": "HARPOON_QWEN_"}
_OF_NATIVE = ("NATIVE_BASE_URL", "NATIVE_MODELS", "NATIVE_ATTESTS", "NATIVE_REGIONS")
MAX_NAME_CHARACTERS = 200
MAX_SHARING_RATIO = 1_000
_VISIBLE = frozenset(map(chr, range(33, 127))) - {","}


def whole_setting(values: Mapping[str, str], name: str, least: int, most: int) -> int:
    """A setting that is a whole number. Raises: SettingsError."""
    text = values[name]
    if not text or len(text) > 15 or not set("0123456789").issuperset(text) or not least <= int(text) <= most:
        raise SettingsError(f"{name} must be a whole number from {least} to {most}", param=name)
    return int(text)


def choice_setting(values: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """A setting that is one of a few words. Raises: SettingsError."""
    if values[name] not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}", param=name)
    return values[name]


def adapt_catalogue(source: Catalogue, values: Mapping[str, str]) -> Catalogue:
    """The catalogue as the settings want it. Raises: SettingsError."""
    catalogue = _pools(_native(source, values), values)
    for label_id, prefix in LABEL_SETTINGS.items():
        catalogue = _label(catalogue, label_id, prefix, values)
    return catalogue


def _label(catalogue: Catalogue, label_id: str, prefix: str, values: Mapping[str, str]) -> Catalogue:
    """The catalogue with one label as its six settings want it."""
    given = [name for name, value in values.items() if name.startswith(prefix) and value]
    if not given:
        return catalogue
    label = next((label for label in catalogue.labels if label.id == label_id), None)
    if label is None:
        raise SettingsError(f"{given[0]}: the catalogue has no label {label_id!r}", param=given[0])
    changes: dict[str, str | int] = {}
    for name, field in (("CONTEXT_LIMIT", "context_limit_tokens"), ("MAX_NEW_TOKENS", "max_output_tokens")):
        if values[prefix + name]:
            changes[field] = whole_setting(values, prefix + name, 1, MAX_TOKENS)
    for name, most in (("TEMPERATURE", 2), ("TOP_P", 1)):
        if values[prefix + name]:
            if not is_decimal(values[prefix + name], most):
                raise SettingsError(
                    f"{prefix}{name} must be a number from 0 to {most}, such as 0.7", param=prefix + name
                )
            changes[fold_ascii(name)] = values[prefix + name]
    if values[f"{prefix}ENABLE_THINKING"]:
        changes["enable_thinking"] = choice_setting(values, f"{prefix}ENABLE_THINKING", ("true", "false"))
    changed = replace(label, **changes)  # type: ignore[arg-type]  # each field gets a value of its type
    if 0 < changed.context_limit_tokens < changed.max_output_tokens:
        if values[f"{prefix}MAX_NEW_TOKENS"]:
            name = f"{prefix}MAX_NEW_TOKENS"
            raise SettingsError(f"{name} is more than the context limit, {changed.context_limit_tokens}", param=name)
        changed = replace(changed, max_output_tokens=changed.context_limit_tokens)
    catalogue = _with_label(catalogue, changed)
    return _served_as(catalogue, changed, f"{prefix}REPO", values[f"{prefix}REPO"])


def _with_label(catalogue: Catalogue, label: Label) -> Catalogue:
    labels = tuple(label if old.id == label.id else old for old in catalogue.labels)
    return replace(catalogue, labels=labels)


def _served_as(catalogue: Catalogue, label: Label, setting: str, repo: str) -> Catalogue:
    """The catalogue where `repo` names the label too, and is what a native server calls the label's model.

    A name that is the label's already says nothing new: what a native server calls it stays the catalogue's.
    """
    if not repo or fold_ascii(repo) in {fold_ascii(name) for name in (label.id, *label.names)}:
        return catalogue
    if not _VISIBLE.issuperset(repo) or len(repo) > MAX_NAME_CHARACTERS:
        raise SettingsError(f"{setting} must be a model's name, such as org/model, without blanks", param=setting)
    compiled = compile_catalogue(catalogue)
    names = {fold_ascii(name): name for name in compiled.by_name}
    known = names.get(fold_ascii(repo))
    if known is None:
        catalogue = _with_label(catalogue, replace(label, names=(*label.names, repo)))
    elif not {compiled.routes[at].model for at in compiled.by_name[known]} <= set(label.models):
        raise SettingsError(f"{setting}: {repo!r} is the name of something else in the catalogue", param=setting)
    at = next((at for at, o in enumerate(catalogue.offers) if o.provider == NATIVE and o.model in label.models), None)
    if at is None:
        return catalogue
    offers = list(catalogue.offers)
    offers[at] = replace(offers[at], served_id=repo)
    return replace(catalogue, offers=tuple(offers))


def _native(catalogue: Catalogue, values: Mapping[str, str]) -> Catalogue:
    """The catalogue with what the operator says of the native server: where it stands, and what it attests."""
    given = [name for name in _OF_NATIVE if values[name]]
    if given and all(provider.id != NATIVE for provider in catalogue.providers):
        raise SettingsError(f"{given[0]}: the catalogue has no provider {NATIVE!r}", param=given[0])
    attests, regions = _list_of(values["NATIVE_ATTESTS"]), _list_of(values["NATIVE_REGIONS"])
    if attests and not set(attests) <= set(REQUIREMENTS):
        known = ", ".join(REQUIREMENTS)
        raise SettingsError(f"NATIVE_ATTESTS must be some of {known}, apart by commas", param="NATIVE_ATTESTS")
    if regions and None in map(region_of, regions):
        raise SettingsError(
            "NATIVE_REGIONS must be ISO 3166-1 codes such as DE, apart by commas", param="NATIVE_REGIONS"
        )
    if not attests and not regions:
        return _served_models(catalogue, values)
    providers = [
        replace(p, attests=attests or p.attests, regions=regions or p.regions) if p.id == NATIVE else p
        for p in catalogue.providers
    ]
    return _served_models(replace(catalogue, providers=tuple(providers)), values)


def _served_models(catalogue: Catalogue, values: Mapping[str, str]) -> Catalogue:
    """The catalogue with the native server's offers of those models only that it is said to serve."""
    wanted = {fold_ascii(name) for name in _list_of(values["NATIVE_MODELS"])}
    if not wanted:
        return catalogue
    meant: set[str] = set()
    known: set[str] = set()
    offered = {offer.model for offer in catalogue.offers if offer.provider == NATIVE}
    for name, models in [
        *((model, {model}) for model in offered),
        *((label.id, offered & set(label.models)) for label in catalogue.labels),
    ]:
        known.add(name)
        if fold_ascii(name) in wanted:
            meant |= models
    if not wanted <= {fold_ascii(name) for name in known}:
        raise SettingsError(f"NATIVE_MODELS must be some of {', '.join(sorted(known))}", param="NATIVE_MODELS")
    offers = tuple(o for o in catalogue.offers if o.provider != NATIVE or o.model in meant)
    return replace(catalogue, offers=offers)


def _list_of(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _pools(catalogue: Catalogue, values: Mapping[str, str]) -> Catalogue:
    """The catalogue with only those of hosted.ai's pools that the operator has; other providers keep theirs."""
    name, most = values["HOSTED_AI_POOL_ID"], _most_sharing(values)
    if not name and not most:
        return catalogue
    offered = {pool for offer in catalogue.offers if offer.provider == HOSTED_AI for pool in offer.pools}
    pools = sorted((pool for pool in catalogue.pools if pool.id in offered), key=lambda pool: pool.sharing_ratio)
    shown = ", ".join(f"{pool.id} ({pool.sharing_ratio})" for pool in pools)
    named = [pool for pool in pools if pool.id == name]
    if named and 0 < most < named[0].sharing_ratio:
        text = f"HOSTED_AI_OVERCOMMIT accepts {most}, but the sharing ratio of {name} is {named[0].sharing_ratio}"
        raise SettingsError(text, param="HOSTED_AI_OVERCOMMIT")
    if name and not named and not most:
        text = f"HOSTED_AI_POOL_ID must be a pool of the catalogue: {shown}; or any name, with its HOSTED_AI_OVERCOMMIT"
        raise SettingsError(text, param="HOSTED_AI_POOL_ID")
    if name and not named:
        # Planned as the pool that is shared at least as much: never better than what the operator has.
        return _renamed(catalogue, next((pool for pool in pools if pool.sharing_ratio >= most), pools[-1]), name)
    kept = named or [pool for pool in pools if pool.sharing_ratio <= most]
    if not kept:
        text = f"HOSTED_AI_OVERCOMMIT leaves no pool of the catalogue: {shown}"
        raise SettingsError(text, param="HOSTED_AI_OVERCOMMIT")
    return _with_offers(catalogue, {pool.id: pool.id for pool in kept})


def _most_sharing(values: Mapping[str, str]) -> int:
    """The most workloads on a GPU that are accepted, 0 = not said; `true` = any number, `false` = 1, 4.0 is 4."""
    name = "HOSTED_AI_OVERCOMMIT"
    if not values[name]:
        return 0
    spoken = {"false": 1, "true": MAX_SHARING_RATIO}.get(fold_ascii(values[name]))
    if spoken is not None:
        return spoken
    whole, point, fraction = values[name].partition(".")
    try:
        text = whole if not point or (fraction and not fraction.strip("0")) else ""
        return whole_setting({name: text}, name, 1, MAX_SHARING_RATIO)
    except SettingsError as problem:
        text = f"{name} must be true, false, or a whole number of workloads per GPU from 1 to {MAX_SHARING_RATIO}"
        raise SettingsError(text, param=name) from problem


def _with_offers(catalogue: Catalogue, pools: Mapping[str, str]) -> Catalogue:
    """The catalogue whose hosted.ai offers are in `pools` only, under the names given there."""

    def adapted(offer: Offer) -> Offer:
        return replace(offer, pools=tuple(pools[pool] for pool in offer.pools if pool in pools))

    offers = tuple(adapted(offer) if offer.provider == HOSTED_AI else offer for offer in catalogue.offers)
    return replace(catalogue, offers=offers)


def _renamed(catalogue: Catalogue, like: Pool, name: str) -> Catalogue:
    """The catalogue with a pool called `name`, planned as `like` is, which is all that hosted.ai has."""
    if not _VISIBLE.issuperset(name) or len(name) > MAX_NAME_CHARACTERS or name in {p.id for p in catalogue.pools}:
        raise SettingsError(
            "HOSTED_AI_POOL_ID must be a name without blanks and commas, and no other pool's", param="HOSTED_AI_POOL_ID"
        )
    weights = {
        priority: replace(row, pools={**row.pools, **({name: row.pools[like.id]} if like.id in row.pools else {})})
        for priority, row in catalogue.weights.items()
    }
    catalogue = replace(catalogue, pools=(*catalogue.pools, replace(like, id=name)), weights=weights)
    return _with_offers(catalogue, {like.id: name})

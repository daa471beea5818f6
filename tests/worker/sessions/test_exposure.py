"""Who sees what: the analysis never says less than deliveries show, and a redaction never adds to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from worker.sessions.exposure import ENVELOPE, Exposure, exposures, named_paths
from worker.sessions.fields import FIELDS
from worker.sessions.rules import Destination, Routes, Rule, Share
from worker.sessions.rules_form import compile_routes
from worker.sessions.transforms import Drop, Keep, Path, Redact, Rename, Transform, starts_with, transformed

EXAMPLE = {
    "version": 1,
    "destinations": {
        "billing": {"party": "finance"},
        "analytics": {"transform": [{"redact": ["user.user_id", "metadata.source_ip"]}]},
        "pager": None,
    },
    "parties": {"finance": {"shares_with": [{"party": "auditor", "transform": [{"drop": ["usage"]}]}]}},
    "rules": [
        {"name": "bills", "to": ["billing"], "transform": [{"keep": ["user.organization_id", "usage"]}]},
        {"name": "all", "to": ["analytics"]},
        {
            "name": "failures",
            "match": {"outcome.status": {"in": ["error", "timeout"]}},
            "to": ["pager"],
            "transform": [{"keep": ["session.session_id"]}],
        },
    ],
}
USAGE = {field.path for field in FIELDS if field.group == "usage"}


def by_party(found: tuple[Exposure, ...]) -> dict[str, Exposure]:
    return {one.party: one for one in found}


def test_who_sees_what_in_an_example() -> None:
    found = by_party(exposures(compile_routes(EXAMPLE)))
    assert sorted(found) == ["analytics", "auditor", "finance", "pager"]
    assert found["finance"].seen == USAGE | {"user.organization_id"} | ENVELOPE
    assert found["auditor"].seen == {"user.organization_id"} | ENVELOPE
    assert found["pager"].seen == {"session.session_id"} | ENVELOPE
    assert found["pager"].inferred == {"outcome.status"}
    hidden = {"user.user_id", "metadata.source_ip"}
    everything = {field.path for field in FIELDS} | {"metadata.*"} | ENVELOPE
    assert found["analytics"].seen == everything - hidden


def test_nobody_sees_anything_without_a_rule() -> None:
    (found,) = exposures(compile_routes({"version": 1, "destinations": {"a": None}, "rules": []}))
    assert found == Exposure("a", frozenset(), frozenset())


def test_parties_that_share_in_a_circle_come_to_an_end() -> None:
    around = {
        "a": {"shares_with": [{"party": "b", "transform": [{"rename": {"user": "x.user"}}]}]},
        "b": {"shares_with": [{"party": "a", "transform": [{"rename": {"x": "user"}}]}]},
    }
    rules = [{"name": "r", "to": ["a"], "transform": [{"keep": ["user.user_id"]}]}]
    found = by_party(
        exposures(compile_routes({"version": 1, "destinations": {"a": None}, "parties": around, "rules": rules}))
    )
    assert found["a"].seen == found["b"].seen == {"user.user_id"} | ENVELOPE


PATHS: list[Path] = [
    ("event_id",),
    ("session",),
    ("session", "session_id"),
    ("user",),
    ("user", "user_id"),
    ("user", "tier"),
    ("metadata",),
    ("metadata", "a"),
    ("metadata", "a", "b"),
    ("metadata", "c"),
    ("x",),
    ("x", "y"),
    ("user", "user_id", "deep"),
]
SOME_PATHS = st.lists(st.sampled_from(PATHS), min_size=1, max_size=4).map(tuple)
RENAMES = st.tuples(st.sampled_from(PATHS), st.sampled_from(PATHS)).filter(
    lambda pair: not starts_with(pair[0], pair[1]) and not starts_with(pair[1], pair[0])
)
TRANSFORM: st.SearchStrategy[Transform] = (
    SOME_PATHS.map(Keep) | SOME_PATHS.map(Drop) | SOME_PATHS.map(Redact) | RENAMES.map(lambda pair: Rename(*pair))
)
TRANSFORMS = st.lists(TRANSFORM, max_size=5).map(tuple)
SECRET = st.integers(0, 10**9).map(lambda number: f"secret-{number}")
LEAVES = st.recursive(
    SECRET | st.lists(SECRET, max_size=2), lambda inner: st.dictionaries(st.sampled_from("abcde"), inner)
)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """An event of which anything may lack, and whose metadata has any shape."""
    event: dict[str, Any] = {}
    for path in ("event_id", "session.session_id", "session.session_type", "user.user_id", "user.tier"):
        if draw(st.booleans()):
            group, _, name = path.rpartition(".")
            (event.setdefault(group, {}) if group else event)[name] = f"{path}={draw(SECRET)}"
    if draw(st.booleans()):
        event["metadata"] = draw(st.dictionaries(st.sampled_from("abcde"), LEAVES, max_size=4))
    return event


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    else:
        yield path, str(value)


def label(path: Path, named: frozenset[Path]) -> str:
    """By which name the analysis calls what a captured event holds at `path`."""
    if path[0] != "metadata":
        return ".".join(path)
    ends = [end for end in range(2, len(path) + 1) if any(starts_with(one, path[:end]) for one in named)]
    return ".".join(path[: max(ends)]) if ends else "metadata.*"


def one_destination(transforms: tuple[Transform, ...]) -> Routes:
    return Routes({"a": Destination("a", "a")}, (Rule("r", (), ("a",), transforms),), {})


@given(events(), TRANSFORMS)
def test_nothing_is_delivered_that_the_analysis_does_not_tell(event: dict[str, Any], transforms: Any) -> None:
    routes = one_destination(transforms)
    (found,) = exposures(routes)
    delivered = {text for _, text in leaves(transformed(event, transforms))}
    captured = list(leaves(event))
    once = {text for _, text in captured if sum(text == other for _, other in captured) == 1}
    for path, text in captured:
        if text in delivered & once:
            assert label(path, named_paths(routes)) in found.seen


@st.composite
def configurations(draw: st.DrawFn) -> Routes:
    """Two destinations under several rules, and parties that pass on to each other in any way."""
    parties = ["p", "q", "r"]
    destinations = {name: Destination(name, draw(st.sampled_from(parties)), draw(TRANSFORMS)) for name in ("a", "b")}
    to = st.lists(st.sampled_from(["a", "b"]), unique=True).map(tuple)
    rules = tuple(Rule(f"r{index}", (), draw(to), draw(TRANSFORMS)) for index in range(draw(st.integers(1, 3))))
    shares = {
        party: tuple(Share(draw(st.sampled_from(parties)), draw(TRANSFORMS)) for _ in range(draw(st.integers(0, 2))))
        for party in parties
    }
    return Routes(destinations, rules, shares)


@st.composite
def redacted(draw: st.DrawFn) -> tuple[Routes, Routes]:
    """A configuration, and the same one with one redaction more, anywhere."""
    routes = draw(configurations())
    paths = draw(SOME_PATHS)

    def more(transforms: tuple[Transform, ...]) -> tuple[Transform, ...]:
        at = draw(st.integers(0, len(transforms)))
        return (*transforms[:at], Redact(paths), *transforms[at:])

    place = draw(st.sampled_from(["destination", "rule", "share"]))
    if place == "destination":
        one = routes.destinations["a"]
        changed = {**routes.destinations, "a": replace(one, transforms=more(one.transforms))}
        return routes, replace(routes, destinations=changed)
    if place == "rule":
        first, *rest = routes.rules
        return routes, replace(routes, rules=(replace(first, transforms=more(first.transforms)), *rest))
    shares = {
        party: tuple(replace(share, transforms=more(share.transforms)) for share in found)
        for party, found in routes.shares.items()
    }
    return routes, replace(routes, shares=shares)


@given(redacted())
def test_a_redaction_never_shows_anybody_more(pair: tuple[Routes, Routes]) -> None:
    before, after = pair
    apart = named_paths(before) | named_paths(after)
    told = by_party(exposures(before, apart))
    for found in exposures(after, apart):
        assert found.seen <= told[found.party].seen
        assert found.inferred <= told[found.party].inferred


def test_a_redaction_does_take_something_away() -> None:
    plain, less = one_destination(()), one_destination((Redact((("user",),)),))
    (before,), (after,) = exposures(plain), exposures(less)
    assert before.seen - after.seen == {"user.user_id", "user.organization_id", "user.tier"}

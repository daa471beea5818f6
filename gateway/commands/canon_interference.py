"""`harpoon canon interference`: who would be delayed by whom, out of a file or a server's state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.canon_group import canon_cli
from gateway.commands.options import HERE, Json, Token, Url
from gateway.failure import NO, ClientFailed, CommandFailed
from gateway.output import Cell, Column, write_json, write_line, write_table

if TYPE_CHECKING:
    from worker.canon.interference import Effect, Judgement
    from worker.canon.interference_form import Case
    from worker.canon.interference_search import Coalition

_STRANGE = "the server's agents have another form than this command knows; is it another version of Harpoon?"
MAX_BYTES = 4 * 1024 * 1024


@canon_cli.command(
    epilog='A case: `{"resources": {"gpu": {"capacity": 2}}, "commitments": [{"agentId": "a", "id": "serve", '
    '"work_us": 10, "uses": {"gpu": 1}}], "actions": [{"agentId": "b", "id": "train", "work_us": 10, '
    '"uses": {"gpu": 2}}]}`\n\nThe evidence of a judgement in the ledger is a case, and can be judged again.\n\n'
    "Exit status: 0 nobody is delayed, 1 somebody is, 2 it can't be read."
)
def interference(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A case in JSON; - = standard input; none = a server's.", show_default=False
        ),
    ] = "",
    joint: Annotated[
        bool, typer.Option("--joint", help="Also look at every set of the actions taken at once.")
    ] = False,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Judge a case's actions, alone and in turn, or show what a server's agents are committed to."""
    if not file:
        if joint:
            raise CommandFailed("--joint wants the file of a case; `harpoon canon interference --help` shows one")
        _show_state(url, token, as_json)
        return
    from worker.canon.interference import judge
    from worker.canon.interference_search import MAX_JOINT, in_turn, smallest_coalition

    case = _case(file)
    alone = [judge(case.state, action, case.allowance) for action in case.actions]
    _, turns = in_turn(case.state, case.actions, case.allowance)
    found = None
    if joint:
        if len(case.actions) > MAX_JOINT or len({action.agent for action in case.actions}) != len(case.actions):
            raise CommandFailed(f"--joint takes at most {MAX_JOINT} actions, and of no agent two")
        found = smallest_coalition(case.state, case.actions, case.allowance)
    if as_json:
        write_json(_plain(case, alone, turns, joint, found))
    else:
        _show(case, alone, turns, joint, found)
    if found is not None or any(judgement.denials for judgement in (*alone, *turns)):
        raise typer.Exit(NO)


def _case(file: str) -> Case:
    from gateway.commands.batch import opened
    from worker.canon.interference_form import case_from_plain
    from worker.errors import HarpoonError
    from worker.strict_json import JsonLimits, parse_json

    with opened(file) as stream:
        text = stream.read()
    try:
        return case_from_plain(parse_json(text, JsonLimits(max_bytes=MAX_BYTES)))
    except HarpoonError as problem:
        raise CommandFailed(f"{file}: {problem.message}") from problem


def _plain(
    case: Case, alone: list[Judgement], turns: tuple[Judgement, ...], joint: bool, found: Coalition | None
) -> dict[str, Any]:
    from worker.canon.interference_form import effect_to_plain, judgement_to_plain

    actions = [
        {
            "agentId": action.agent,
            "id": action.action,
            "alone": judgement_to_plain(one),
            "in_turn": judgement_to_plain(other),
        }
        for action, one, other in zip(case.actions, alone, turns, strict=True)
    ]
    plain: dict[str, Any] = {"object": "interference_report", "actions": actions}
    if joint:
        coalition = None
        if found is not None:
            coalition = {"agents": list(found.agents), "harmed": [effect_to_plain(one) for one in found.harmed]}
        plain["smallest_coalition"] = coalition
    return plain


def _show(
    case: Case, alone: list[Judgement], turns: tuple[Judgement, ...], joint: bool, found: Coalition | None
) -> None:
    rows = [
        (action.agent, action.action, _word(one), _word(other))
        for action, one, other in zip(case.actions, alone, turns, strict=True)
    ]
    write_table([Column(name) for name in ("agent", "action", "alone", "in turn")], rows)
    if joint:
        write_line()
        if found is None:
            write_line("no set of these actions, taken at once, delays anybody else")
        else:
            delayed = ", ".join(_delay(effect) for effect in found.harmed)
            write_line(f"taken at once by {' and '.join(found.agents)}, they delay {delayed}; no smaller set does")


def _word(judgement: Judgement) -> Cell:
    if not judgement.denials:
        return Cell("admitted", "green")
    harmed = ", ".join(_delay(effect) for effect in judgement.effects if effect.is_harm)
    return Cell(f"denied: delays {harmed}" if harmed else f"denied: {judgement.denials[0].subject}", "red")


def _delay(effect: Effect) -> str:
    delta = effect.delta_us
    return f"{effect.agent} (nobody knows by how much)" if delta is None else f"{effect.agent} by {delta} us"


def _show_state(url: str, token: str, as_json: bool) -> None:
    from gateway.client import Client
    from gateway.commands.decisions import clock_text

    with Client(url, token) as client:
        found = client.get("/api/canon/non-interference")
    if as_json:
        write_json(found)
        return
    try:
        shared = [(name, one["discipline"], str(one["capacity"])) for name, one in sorted(found["resources"].items())]
        rows = [
            (
                one["agentId"],
                one["id"],
                ", ".join(f"{name} {amount}" for name, amount in one.get("uses", {}).items()),
                "never" if one["expected_ttv_us"] is None else str(one["expected_ttv_us"]),
                str(found["slack_us"].get(one["agentId"], 0)),
                f"{clock_text(one['expires_us'])} UTC",
            )
            for one in found["commitments"]
        ]
    except (KeyError, TypeError, AttributeError) as problem:
        raise ClientFailed(_STRANGE) from problem
    if shared:
        write_table([Column("resource"), Column("discipline"), Column("capacity", right=True)], shared)
    else:
        write_line("no CANON item of yours describes a resource; `harpoon canon propose --help` shows how items begin")
    # Commitments outlive what they hold, and then stand in everybody's way.
    if not rows:
        return
    write_line()
    heads = ("agent", "action", "uses", "expected us", "slack us", "until")
    write_table([Column(name, right=name.endswith("us")) for name in heads], rows)

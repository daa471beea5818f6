"""The store: a view of the log at any time, and what the request path is told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.worker.canon.store_kit import (
    TRIALS,
    Desk,
    candidate,
    new_item,
    new_rule,
    problem,
    waiting_for,
)
from tests.worker.decision_kit import CATALOGUE, World, config, facts, fallback, hasher, offer, world
from worker.admission import POLICY
from worker.canon.canon_settings import CanonSettings
from worker.canon.minimal_fix import apply_fix, minimal_fix
from worker.canon.order import CHANGE, DECIDE, ITEM, ITEMS, PROMOTE, Order, order_from_json, order_to_json
from worker.canon.problem import read_problem
from worker.canon.resolve import resolve
from worker.canon.store import IMPORTED, changes_in, store_at
from worker.errors import StateError
from worker.ledger.entry import entry_from_text
from worker.ports import Sql, SqlRow, SqlValue

DEARER = config(replace(CATALOGUE, offers=(offer("alpha", 3_000_000), offer("beta", 9_000_000))))


@pytest.fixture
async def state() -> AsyncIterator[World]:
    async with world() as found:
        yield found


@pytest.fixture
async def desk(state: World) -> Desk:
    return Desk(state)


async def everything(desk: Desk) -> None:
    """One of every change: the store is not the same twice."""
    await desk.raise_to_canon(new_item())
    await desk.raise_to_canon(new_item("review-twice"))
    await desk.change(**new_rule())
    await desk.change(**new_rule(applies_to=["rollback"]))
    await desk.change(act="demote", id="review-first", reason="it let one through")
    await desk.change(act="supersede", id="review-first", by="review-twice", reason="twice is better")
    await desk.change(act="demote", id="price_table", reason="prices are old")
    await desk.state.with_config(DEARER).admit(facts(9, at_us=desk.now_us + 1))
    await desk.change(act="demote", id="catalogue", to="EVIDENCE", reason="wrong models")


async def test_every_tenant_begins_with_the_hosts_tables(desk: Desk) -> None:
    items = (await desk.done(ITEMS, {}))["data"]
    assert [item["id"] for item in items] == sorted(IMPORTED)
    assert {item["level"] for item in items} == {"CANON"}
    assert {tuple(item["applies_to"]) for item in items} == {("route",)}
    assert items[0]["content_hash"] == config().catalogue_hash
    assert [change.act for change in await desk.changes()] == ["import"] * 4


async def test_the_table_is_what_the_log_says_at_any_time(desk: Desk) -> None:
    seen = {}

    async def look() -> None:
        ((last,),) = await desk.state.rows("SELECT MAX(seq) FROM ledger WHERE tenant = 'acme'")
        seen[int(str(last)), desk.now_us] = await desk.table()

    await desk.done(ITEMS, {})
    await look()
    order = desk.order

    async def watched(act: str, given: dict[str, Any], key: str = "") -> dict[str, Any]:
        said = await order(act, given, key)
        await look()
        return said

    desk.order = watched  # type: ignore[method-assign]
    await everything(desk)
    assert len({snapshot.hash for snapshot in seen.values()}) == 13
    for (sequence, at_us), snapshot in seen.items():
        assert await desk.replayed(sequence=sequence) == snapshot
        if sequence != max(seen)[0]:
            assert await desk.replayed(at_us=at_us) == snapshot
    assert await desk.replayed() == await desk.table()
    assert (await desk.replayed(at_us=0)).items == ()


async def test_every_change_is_an_entry_that_pins_its_evidence(desk: Desk) -> None:
    await everything(desk)
    kinds: dict[str, set[Any]] = {}
    for kind, entry, evidence in await desk.state.rows("SELECT kind, entry, evidence FROM ledger ORDER BY seq"):
        read = entry_from_text(str(entry))
        if "canon" in read.payload:
            assert read.evidence == hasher().sha3_256(str(evidence).encode()).hex()
            kinds.setdefault(read.payload["canon"], set()).add(kind)
    assert kinds == {
        "propose": {"STRUCTURE_UPDATE"},
        "revise": {"STRUCTURE_UPDATE"},
        "demote": {"STRUCTURE_UPDATE"},
        "supersede": {"STRUCTURE_UPDATE"},
        "promote": {"PROMOTION"},
    }


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE ledger SET evidence = NULL WHERE kind = 'PROMOTION'",
        "UPDATE ledger SET evidence = replace(evidence, 'CANON', 'PROPOSED') WHERE kind = 'PROMOTION'",
        "UPDATE ledger SET evidence = replace(evidence, 'reviewed', 'skipped') WHERE evidence IS NOT NULL",
    ],
)
async def test_a_log_that_was_tampered_with_can_not_be_replayed(desk: Desk, spoil: str) -> None:
    await desk.raise_to_canon(new_item())
    await desk.state.rows(spoil)
    with pytest.raises(StateError, match="evidence"):
        await desk.replayed()


async def test_two_tenants_in_one_database_have_two_canons(desk: Desk, state: World) -> None:
    other = Desk(state, "other")
    await desk.raise_to_canon(new_item())
    assert "review-first" not in await other.levels()
    await other.change(**new_item())
    assert (await other.levels())["review-first"] == "EVIDENCE"
    assert (await desk.levels())["review-first"] == "CANON"
    for one in (desk, other):
        assert await one.replayed() == await one.table()


async def test_an_item_rises_by_tests_and_only_by_one_level(desk: Desk) -> None:
    await desk.change(**new_item())
    skipped = await desk.promote("review-first", to="CANON", trials=TRIALS, scenarios=[waiting_for("review-first")])
    assert skipped["outcome"] == "DENY"
    assert skipped["denialTrace"]["failedInvariant"] == "INV_PROMOTION_GATE"
    assert "one level at a time" in skipped["denialTrace"]["reason"]
    assert (await desk.promote("review-first"))["outcome"] == "DENY"
    assert (await desk.promote("review-first", evidenceRefs=["entry:3"]))["item"]["level"] == "PROPOSED"
    denied = await desk.promote("review-first", tests=dict.fromkeys("ABCD", True))
    assert (denied["outcome"], denied["item"]["level"]) == ("DENY", "PROPOSED")
    assert [name for name, test in denied["tests"].items() if not test["passed"]] == ["A", "B", "C", "D"]
    done = await desk.promote("review-first", trials=TRIALS, scenarios=[waiting_for("review-first")])
    assert (done["outcome"], done["item"]["level"]) == ("ALLOW", "CANON")
    assert (await desk.promote("review-first"))["outcome"] == "DENY"
    assert (await desk.levels())["review-first"] == "CANON"
    kinds = [kind for (kind,) in await desk.state.rows("SELECT kind FROM ledger ORDER BY seq")]
    assert kinds.count("DENY") == 4
    evidence = await desk.evidence(done["ledger"]["seq"])
    assert len(evidence["trials"]) == len(TRIALS)
    assert evidence["scenarios"][0]["candidates"]
    assert {name: test["passed"] for name, test in evidence["tests"].items()} == dict.fromkeys("ABCD", True)


async def test_only_canon_opens_what_waits_for_it(desk: Desk) -> None:
    asked = problem(candidate("a", prerequisites=["review-first"]))
    await desk.change(**new_item())
    assert (await desk.decide(**asked))["outcome"] == "DENY"
    await desk.promote("review-first", evidenceRefs=["entry:0"])
    assert (await desk.decide(**asked))["outcome"] == "DENY"
    await desk.promote("review-first", trials=TRIALS, scenarios=[waiting_for("review-first")])
    assert (await desk.decide(**asked))["outcome"] == "ALLOW"
    await desk.change(act="demote", id="review-first", reason="it let one through")
    denied = await desk.decide(**asked)
    assert denied["denied"][0]["reason_codes"] == ["MISSING_CANON_PREREQS"]


async def test_what_is_canon_is_not_written_over(desk: Desk) -> None:
    await desk.raise_to_canon(new_item())
    assert await desk.refused(CHANGE, new_item(content="other words")) == "item_is_canon"
    assert await desk.refused(CHANGE, new_item("catalogue")) == "item_is_canon"
    assert await desk.refused(CHANGE, new_item("b", level="CANON")) == "invalid_request"
    assert await desk.refused(CHANGE, new_rule("b", content={"rule": {"op": "wish"}})) == "bad_rule"


async def test_a_revision_of_what_was_proposed_begins_again(desk: Desk) -> None:
    await desk.change(**new_item())
    await desk.promote("review-first", evidenceRefs=["entry:0"])
    again = await desk.change(**new_item(content="other words"))
    assert (again["act"], again["item"]["level"]) == ("revise", "EVIDENCE")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"act": "demote", "id": "nobody", "reason": "x"}, "item_not_found"),
        ({"act": "demote", "reason": "x"}, "item_not_found"),
        ({"act": "demote", "id": 7, "reason": "x"}, "invalid_request"),
        ({"act": "demote", "id": "proposed", "reason": ""}, "invalid_request"),
        ({"act": "demote", "id": "proposed"}, "invalid_request"),
        ({"act": "demote", "id": "proposed", "reason": "x" * 513}, "invalid_request"),
        ({"act": "demote", "id": "proposed", "reason": "x", "to": "CANON"}, "not_lower"),
        ({"act": "demote", "id": "proposed", "reason": "x", "to": "EVIDENCE"}, "not_lower"),
        ({"act": "demote", "id": "proposed", "reason": "x", "by": "y"}, "invalid_request"),
        ({"act": "supersede", "id": "catalogue", "by": "price_table", "reason": "x"}, "item_is_imported"),
        ({"act": "supersede", "id": "review-first", "by": "review-first", "reason": "x"}, "not_a_successor"),
        ({"act": "supersede", "id": "review-first", "by": "catalogue", "reason": "x"}, "not_a_successor"),
        ({"act": "supersede", "id": "review-first", "by": "proposed", "reason": "x"}, "not_a_successor"),
        ({"act": "supersede", "id": "review-first", "by": "nobody", "reason": "x"}, "item_not_found"),
        ({"act": "supersede", "id": "proposed", "by": "review-first", "reason": "x"}, "not_lower"),
        ({"act": "forget", "id": "proposed", "reason": "x"}, "invalid_request"),
        ({"act": ["demote"]}, "invalid_request"),
        ({**new_item("b"), "note": "x"}, "invalid_request"),
        ({**new_item("b"), "kind": "rumour"}, "bad_canon_item"),
        ({name: said for name, said in new_item("b").items() if name != "content"}, "bad_canon_item"),
    ],
)
async def test_a_change_that_can_not_be_made_leaves_nothing(desk: Desk, given: dict[str, Any], code: str) -> None:
    await desk.raise_to_canon(new_item())
    await desk.change(**new_item("proposed"))
    assert await desk.refused(CHANGE, given) == code


async def test_a_canon_is_bounded() -> None:
    async with world(config(canon=CanonSettings(max_items=6))) as state:
        desk = Desk(state)
        await desk.change(**new_item("a"))
        await desk.change(**new_item("b"))
        assert await desk.refused(CHANGE, new_item("c")) == "too_many_items"
        await desk.change(**new_item("b", content="other words"))


async def test_a_successor_takes_the_place_and_the_history_tells(desk: Desk) -> None:
    await desk.raise_to_canon(new_item())
    await desk.raise_to_canon(new_item("review-twice"))
    await desk.change(act="supersede", id="review-first", by="review-twice", reason="twice is better")
    found = await desk.item("review-first")
    assert [(one["act"], one["level"]) for one in found["history"]] == [
        ("propose", "EVIDENCE"),
        ("promote", "PROPOSED"),
        ("promote", "CANON"),
        ("supersede", "EVIDENCE"),
    ]
    assert found["history"][-1]["by"] == "review-twice"
    assert await desk.refused(ITEM, {"id": "nobody"}) == "item_not_found"


@pytest.mark.parametrize("name", sorted(IMPORTED))
async def test_a_tenant_whose_table_was_demoted_is_served_nothing(desk: Desk, name: str) -> None:
    assert (await desk.state.mediator.admit(facts())).refusal is None
    await desk.change(act="demote", id=name, reason="it is wrong")
    refusal = (await desk.state.mediator.admit(facts(2))).refusal
    assert refusal is not None
    assert (refusal.kind, refusal.reasons) == (POLICY, (f"MISSING_CANON_PREREQS: {name} [2 of 2]",))
    explained = await desk.state.mediator.explain(facts(3))
    assert explained["refusal"]["reasons"] == list(refusal.reasons)
    assert explained["decision"]["missing_canon"] == [name]
    # What was admitted before has no other route now: nobody is served by a table that is not in force.
    assert (await desk.state.mediator.advance(fallback())).granted is False
    assert (await desk.state.mediator.admit(facts(4, tenant="other"))).refusal is None
    assert (await desk.why_not(facts(2).decision_id))[0]["missingCanonIds"] == [name]


async def test_a_demoted_table_rises_again_by_tests(desk: Desk) -> None:
    await desk.change(act="demote", id="catalogue", reason="it is wrong")
    done = await desk.promote("catalogue", trials=TRIALS, scenarios=[waiting_for("catalogue")])
    assert done["outcome"] == "ALLOW", done
    assert (await desk.state.mediator.admit(facts())).refusal is None


async def test_a_demotion_is_of_the_content_and_outlasts_a_restart_but_not_another_table(desk: Desk) -> None:
    await desk.change(act="demote", id="price_table", reason="prices are old")
    await desk.change(act="demote", id="pool_table", reason="pools are gone")
    again = desk.state.with_config(config())
    assert (await again.admit(facts(1))).refusal is not None
    dearer = desk.state.with_config(DEARER)
    refusal = (await dearer.admit(facts(2))).refusal
    assert refusal is not None
    # The prices are other ones, which nobody has judged; the pools are the same.
    assert refusal.reasons == ("MISSING_CANON_PREREQS: pool_table [2 of 2]",)
    stood = "SELECT level FROM canon_item WHERE item_id = 'price_table'"
    assert await desk.state.rows(stood) == [("CANON",)]
    assert await desk.replayed() == await desk.table()
    # With the first table, what was judged of it is back too.
    assert (await desk.levels())["price_table"] == "PROPOSED"
    assert (await again.admit(facts(3))).refusal is not None
    assert await desk.replayed() == await desk.table()


async def test_the_request_path_reads_the_canon_without_a_statement_of_its_own(desk: Desk) -> None:
    class Counted:
        def __init__(self, sql: Sql) -> None:
            self._sql = sql
            self.statements: list[str] = []

        def execute(self, statement: str, *parameters: SqlValue) -> list[SqlRow]:
            self.statements.append(statement)
            return self._sql.execute(statement, *parameters)

    database, seen = desk.state.database, []
    transact = database.transact

    async def counted(fn: Any, *, patient: bool = False) -> Any:
        def run(sql: Sql) -> Any:
            seen.append(Counted(sql))
            return fn(seen[-1])

        return await transact(run, patient=patient)

    await desk.state.mediator.admit(facts())
    database.transact = counted  # type: ignore[method-assign]
    await desk.state.mediator.admit(facts(2))
    assert not [statement for statement in seen[-1].statements if "canon_item" in statement]
    assert len([statement for statement in seen[-1].statements if " FROM tenant " in statement]) == 1


async def test_a_log_of_before_items_were_kept_is_taken_up(desk: Desk) -> None:
    await desk.state.mediator.admit(facts())
    await desk.state.rows("DELETE FROM canon_item")
    await desk.state.rows("UPDATE tenant SET catalogue_hash = '', canon_missing = ''")
    assert (await desk.state.mediator.admit(facts(2))).refusal is None
    assert await desk.replayed() == await desk.table()
    assert (await desk.table()).items[0].provenance.ref == "entry:0"


async def test_entries_about_other_things_are_no_changes_of_the_canon(desk: Desk) -> None:
    await desk.state.mediator.admit(facts())
    await desk.decide(**problem(candidate("a", prerequisites=["nobody"])))
    await desk.promote("catalogue")
    assert [change.act for change in await desk.changes()] == ["import"] * 4


async def test_what_would_admit_a_path_does_not_depend_on_what_else_is_known(desk: Desk) -> None:
    await desk.raise_to_canon(new_item())
    await desk.raise_to_canon(new_rule(), [problem(candidate("calm"), candidate("forced", tags=["deploy", "force"]))])
    for number in range(5):
        await desk.change(**new_item(f"other-{number}", kind="model"))
    cites = [{"id": "review-first", "hash": "0" * 64}, {"id": "other-1", "hash": desk.digest}]
    asked = problem(
        candidate("a", cites=cites, prerequisites=["other-2", "nobody"]),
        candidate("b", tags=["deploy", "force"], cost_usd_micros=99),
        bounds={"required_kinds": ["definition", "policy"], "max_cost_usd_micros": 9},
    )
    found = await desk.decide(**asked)
    whole = read_problem(asked, hasher())._replace(canon=await desk.table())
    resolution = resolve(whole, hasher())
    for position, denied in enumerate(found["denied"]):
        fix = minimal_fix(resolution, position, hasher())
        assert fix
        assert denied["minimal_fix"] == [change.to_plain() for change in fix]
        assert resolve(apply_fix(resolution, position, fix, hasher()).problem, hasher()).totals[position] is not None


async def test_a_tenant_without_a_log_knows_nothing(state: World) -> None:
    def look(sql: Sql) -> None:
        assert changes_in(sql, hasher(), "nobody") == []
        assert store_at(sql, hasher(), "nobody").items == ()

    await state.database.transact(look)


def test_an_order_crosses_a_boundary_as_it_is() -> None:
    for act in (DECIDE, PROMOTE, CHANGE, ITEMS, ITEM):
        order = Order("acme", act, 7, {"a": [1, "ä", None]}, "key")
        assert order_from_json(order_to_json(order)) == order

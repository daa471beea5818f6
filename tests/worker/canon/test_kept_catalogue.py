"""A request's certificate after its catalogue has changed: the tenant's log keeps every catalogue it names, once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.worker.canon.problem_kit import HASHER
from tests.worker.canon.store_kit import Desk
from tests.worker.decision_kit import CATALOGUE, NOW_US, config, facts, offer, weights, world
from worker.admitting import MediatorConfig
from worker.canon.canon_settings import CanonSettings
from worker.canon.certificate import CertificateError, certificate_of_request, verify_certificate
from worker.ledger.log import VERIFY
from worker.ledger_settings import Retention
from worker.routing.catalogue import PRIORITIES, to_plain
from worker.routing.identity import hashed_form


async def test_a_decision_made_under_another_catalogue_says_that_it_can_t_be_proved_here() -> None:
    settings = config()
    async with world(settings) as state:
        await state.mediator.admit(facts())
        record = await state.mediator.read("acme", facts().decision_id)
        assert record is not None
    decision, form = record["decision"], hashed_form(settings.catalogue.canonical, HASHER.sha3_256)
    verify_certificate(certificate_of_request(decision, form, HASHER), HASHER)
    other = hashed_form(to_plain(replace(CATALOGUE, version="another")), HASHER.sha3_256)
    for missing in (None, other):
        with pytest.raises(CertificateError, match="not at hand"):
            certificate_of_request(decision, missing, HASHER)
    with pytest.raises(CertificateError, match="version"):
        certificate_of_request({**decision, "v": 1}, form, HASHER)


def moved(**changes: Any) -> MediatorConfig:
    """A host whose providers have other addresses, and whose catalogue is changed."""
    providers = tuple(replace(one, default_base_url=f"https://{one.id}.test/v1") for one in CATALOGUE.providers)
    return config(replace(CATALOGUE, providers=providers, **changes))


async def test_a_decision_is_proved_long_after_its_catalogue_has_changed() -> None:
    """What a price change took away: the log keeps each catalogue it ever named, once, without addresses."""
    first, dearer = moved(), moved(offers=(offer("alpha", 3_000_000), offer("beta", 9_000_000)))
    async with world(first) as state:
        admission = await state.mediator.admit(facts(1))
        before = await state.mediator.certificate("acme", facts(1).decision_id)
        changed = state.with_config(dearer)
        await changed.admit(facts(2))
        after = await changed.certificate("acme", facts(1).decision_id)
        assert after == before
        assert after is not None
        verify_certificate(json.loads(json.dumps(after["certificate"])), HASHER)
        assert after["certificate"]["decision_digest"] == admission.digest
        # Nor does another tenant's log help, or the catalogue's own hash in another item's place.
        assert await changed.certificate("other", facts(1).decision_id) is None
        # Back and forth, as while a fleet is replaced: each text is kept once.
        for number, mediator in enumerate((state.mediator, changed) * 3, 3):
            await mediator.admit(facts(number))
        rows = await state.rows(
            """SELECT evidence FROM ledger WHERE kind = 'STRUCTURE_UPDATE' AND evidence IS NOT NULL ORDER BY seq"""
        )
        kept = [str(evidence) for (evidence,) in rows]
        assert [HASHER.sha3_256(text.encode()).hex() for text in kept] == [first.catalogue_hash, dearer.catalogue_hash]
        assert not [text for text in kept if "default_base_url" in text or "https:" in text]
        # Retention takes records of decisions, and leaves what the canon rests on.
        short = state.with_config(replace(first, retention=Retention(1)))
        await short.retain(NOW_US + 10**12)
        assert len(await state.rows("SELECT 1 FROM ledger WHERE kind = 'STRUCTURE_UPDATE' AND evidence <> ''")) == 2
        verified = await state.mediator.ledger("acme", VERIFY, {"size": None, "state": None, "limit": 1_000})
        assert verified["report"]["ok"], verified
        assert verified["report"]["dropped"] == 8


async def test_a_kept_catalogue_that_is_not_what_its_entry_names_proves_nothing() -> None:
    async with world(moved()) as state:
        await state.mediator.admit(facts(1))
        changed = state.with_config(moved(version="2"))
        await changed.admit(facts(2))
        await state.rows("UPDATE ledger SET evidence = replace(evidence, '1000000', '1000001') WHERE seq = 0")
        told = await changed.certificate("acme", facts(1).decision_id)
        assert told is not None
        assert "not at hand" in told["problem"]
        # A log of before catalogues were kept has none, and says so.
        await state.rows("UPDATE ledger SET evidence = NULL WHERE kind = 'STRUCTURE_UPDATE'")
        assert await changed.certificate("acme", facts(1).decision_id) == told
        fine = await changed.certificate("acme", facts(2).decision_id)
        assert fine is not None
        verify_certificate(fine["certificate"], HASHER)


async def test_a_catalogue_too_long_for_a_row_is_not_kept_and_stops_nobody() -> None:
    settings = replace(moved(), canon=CanonSettings(max_evidence_bytes=100))
    async with world(settings) as state:
        assert (await state.mediator.admit(facts(1))).refusal is None
        assert await state.rows("SELECT 1 FROM ledger WHERE kind = 'STRUCTURE_UPDATE' AND evidence IS NOT NULL") == []
        told = await state.mediator.certificate("acme", facts(1).decision_id)
        assert told is not None
        verify_certificate(told["certificate"], HASHER)


async def test_a_tenant_s_own_word_on_the_catalogue_is_no_catalogue() -> None:
    """Its demotion is an entry about the same item with the same hash, whose evidence is something else."""
    async with world(moved()) as state:
        desk = Desk(state)
        await state.mediator.admit(facts(1))
        await state.rows("UPDATE ledger SET evidence = NULL WHERE kind = 'STRUCTURE_UPDATE'")
        await desk.change(act="demote", id="catalogue", reason="old")
        told = await state.with_config(moved(version="2")).certificate("acme", facts(1).decision_id)
        assert told is not None
        assert "not at hand" in told["problem"]


async def test_figures_too_large_for_a_certificate_are_a_reason_and_no_fault() -> None:
    heavy = dict.fromkeys(PRIORITIES, weights(cost_us_per_usd_micro=2**53 - 1))
    settings = config(replace(CATALOGUE, weights=heavy))
    async with world(settings) as state:
        assert (await state.mediator.admit(facts(1))).refusal is None
        told = await state.mediator.certificate("acme", facts(1).decision_id)
    assert told is not None
    assert "beyond 2^53-1" in told["problem"]


async def test_a_record_that_today_s_gates_would_not_write_gets_no_certificate() -> None:
    """Of another version of the rules: a certificate that nobody could verify is worse than none."""
    settings = config()
    async with world(settings) as state:
        await state.mediator.admit(facts())
        record = await state.mediator.read("acme", facts().decision_id)
    assert record is not None
    form = hashed_form(settings.catalogue.canonical, HASHER.sha3_256)
    rows = [row.replace("- -", "- x") if "- -" in row else f"{row}x" for row in record["decision"]["candidates"]]
    with pytest.raises(CertificateError, match="candidates"):
        certificate_of_request({**record["decision"], "candidates": rows}, form, HASHER)

"""What the panels answer is read in every shape that is known, and everything else is one exception."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.hostedai import models
from gateway.hostedai.errors import (
    AlreadyHeld,
    ComeBack,
    HostedAiError,
    NoAccess,
    NoCapacity,
    NotAuthorised,
    NotFound,
    NotValid,
    Unclear,
    Unreadable,
    error_of,
    is_error_object,
)
from gateway.hostedai.shapes import identity, micros_of_hours, number, object_of, read_body, rows_of, usd_micros

ROW = {"id": 7}


@pytest.mark.parametrize(
    "value",
    [
        [ROW],
        {"items": [ROW], "total_items": 1},
        {"data": [ROW], "total": 1, "page": 0, "limit": 1},
        {"data": {"items": [ROW]}},
        {"services": [ROW], "has_more_batches": False, "next_offset": 0},
        {"members": [ROW], "count": 1},
    ],
)
def test_a_list_is_read_in_every_wrapper(value: Any) -> None:
    assert rows_of(value) == [ROW]


@pytest.mark.parametrize("value", [None, {}, [], {"items": None}, {"items": []}, {"data": None, "total": 0}])
def test_a_list_of_nothing_has_many_shapes(value: Any) -> None:
    assert rows_of(value) == []


@pytest.mark.parametrize("value", ["OK", 3, {"id": 7}, {"items": "none"}, {"data": 4}])
def test_what_is_no_list_is_refused(value: Any) -> None:
    with pytest.raises(Unreadable):
        rows_of(value)


@pytest.mark.parametrize("body", [b"", b"  \n", b"OK", b"Success!", b"null-ish"])
def test_a_success_without_json_is_an_empty_object(body: bytes) -> None:
    assert read_body(body) == {}


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"a":', b"[1,", b'"open', b"<html></html>", b"[" * 200_000, b'{"a": NaN}', b"-", b"12x"],
    ids=lambda body: repr(body[:12]),
)
def test_what_begins_like_json_and_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_body(body)


def test_fractions_stay_exact() -> None:
    assert usd_micros(read_body(b'{"a": 0.1}')["a"]) == 100_000
    assert usd_micros(read_body(b'{"a": 2.5000005}')["a"]) == 2_500_001


@pytest.mark.parametrize(
    ("value", "micros"),
    [
        ("2.50", 2_500_000),
        (3, 3_000_000),
        ("$0.66", 660_000),
        ("1,234.5", 1_234_500_000),
        ("-0.5", -500_000),
        ("", None),
    ],
)
def test_an_amount_is_read_however_it_is_written(value: Any, micros: int | None) -> None:
    assert usd_micros(value) == micros


@pytest.mark.parametrize("value", ["a lot", "1e999", "inf", "NaN", [1], {"a": 1}, "9" * 50])
def test_what_is_no_amount_is_refused(value: Any) -> None:
    with pytest.raises(Unreadable):
        usd_micros(value)


def test_ids_are_numbers_or_their_digits() -> None:
    assert [identity(value) for value in (7, "7", "7.0")] == [7, 7, 7]
    for value in (None, "", 0, -1, "seven", 7.5, 2**60, True):
        with pytest.raises(Unreadable):
            identity(str(value) if isinstance(value, float) else value)


def test_hours_become_microseconds() -> None:
    assert micros_of_hours("0.5") == 1_800_000_000
    assert micros_of_hours("0.016666666666666666") == 60_000_000
    assert number("100.0") == 100


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"code": 10189007, "message": "no"}, NoCapacity),
        (409, {"code": "10189007", "message": "no"}, NoCapacity),
        (500, {"error": "10189007: resources"}, NoCapacity),
        (422, "Insufficient resources", NoCapacity),
        (500, {"code": 12370004, "message": "no"}, NoAccess),
        (200, {"code": 12370004, "message": "no"}, NoAccess),
        (500, {"error": "team does not have resource access permission"}, NoAccess),
        (409, "Already subscribed", AlreadyHeld),
        (409, {}, AlreadyHeld),
        (400, {"errors": [{"message": "Already Subscribed"}]}, AlreadyHeld),
        (401, {"error": "missing Authorization header"}, NotAuthorised),
        (403, {}, NotAuthorised),
        (404, {}, NotFound),
        (429, "slow down", ComeBack),
        (400, {"errors": ["name is required"]}, NotValid),
        (200, {"result": "FAILURE", "errors": ["no such team"]}, NotValid),
        (500, {"message": "internal server error"}, Unclear),
        (503, "service temporarily unavailable", Unclear),
    ],
)
def test_a_refusal_is_told_by_code_then_words_then_status(status: int, body: Any, kind: type[HostedAiError]) -> None:
    value = body if isinstance(body, dict) else None
    words = body if isinstance(body, str) else json.dumps(body)
    problem = error_of(status, value, words)
    assert type(problem) is kind
    assert problem.http_status == status


@pytest.mark.parametrize(
    ("value", "is_error"),
    [
        ({"code": 12370004, "message": "no"}, True),
        ({"result": "FAILURE", "errors": []}, True),
        ({"error": "no"}, True),
        ({"success": True, "message": "done"}, False),
        ({"result": "SUCCESS", "total_cost": 1}, False),
        ({"code": "USD", "symbol": "$"}, False),
        ([{"code": 1, "message": "a row"}], False),
        ({}, False),
    ],
)
def test_an_error_within_a_success_is_seen(value: Any, is_error: bool) -> None:
    assert is_error_object(value) is is_error


def test_a_pool_is_read_by_its_old_and_its_new_names() -> None:
    old = models.pool_of({"id": 2, "pool_name": "p", "pool_label": "shared-4x", "pricing_hourly": "0.165"})
    new = models.pool_of(
        {
            "pool_id": "2",
            "name": "shared-4x",
            "oversubscription_ratio": "4",
            "total_vgpus": "8",
            "available_vgpus": 3,
            "available_tq_percentages": [25, 50],
            "scheduler_mode_settings": {"locked_to_minimum_guarantee": True, "default_minimum_guarantee": 25},
        }
    )
    assert (old.id, old.name, old.hourly_usd_micros) == (2, "shared-4x", 165_000)
    assert (new.id, new.name, new.sharing_ratio, new.total_vgpus, new.shares_percent) == (2, "shared-4x", 4, 8, (25,))


def test_a_subscription_says_what_its_pods_are_in() -> None:
    found = models.subscription_of(
        {
            "id": "31",
            "pool_id": 2,
            "team_id": "t",
            "status": "Active",
            "pods": [{"pod_name": "a", "pod_status": "Running"}, {"pod_name": "b", "pod_status": "CrashLoopBackOff"}],
        }
    )
    assert (found.id, found.status, found.is_leaving) == (31, "active", False)
    assert [(pod.is_running, pod.is_broken) for pod in found.pods] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("read", "row"),
    [
        (models.subscription_of, {"id": 1}),
        (models.subscription_of, {"pool_id": 1}),
        (models.pod_of, {"pod_status": "Running"}),
        (models.pool_of, {"pool_name": "nameless"}),
        (models.pool_of, {"id": 1, "available_vgpus": "some"}),
        (models.quote_of, {"hourly_cost": 1}),
        (models.bill_of, {"currency": {"code": "USD"}}),
        (models.region_of, {"region_name": "x"}),
        (object_of, "text"),
    ],
)
def test_a_row_that_lacks_what_counts_is_refused(read: Any, row: Any) -> None:
    with pytest.raises(Unreadable):
        read(row)


def test_a_service_knows_its_address() -> None:
    row = {"id": 3, "service_name": "s", "pod_name": "p", "ip": "10.0.0.1", "node_port": "31001", "status": "running"}
    found = models.service_of(row)
    assert (found.is_reachable, found.base_url) == (True, "http://10.0.0.1:31001/v1")
    secure = models.service_of({**row, "ip": "fd00::1", "service_type": "https"})
    assert secure.base_url == "https://[fd00::1]:31001/v1"
    assert not models.service_of({**row, "node_port": 0}).is_reachable

"""Placeholders in a request, and nothing else of it changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.guard.redaction import PLACEHOLDER_CHARACTERS, NotRedactable, Redaction, redact_body
from worker.guard.span import KINDS
from worker.strict_json import DEFAULT_LIMITS, parse_object

MOST = 10_000


def redacted(body: dict[str, Any], most: int = MOST) -> Redaction:
    parsed = parse_object(json.dumps(body).encode(), DEFAULT_LIMITS)
    return redact_body(parsed, parsed.values, most)


def sent(redaction: Redaction) -> Any:
    """The body as its bytes say it, which must be what its values say."""
    value = json.loads(redaction.body.with_members({}))
    assert value == redaction.body.values
    return value


def test_the_same_text_has_the_same_placeholder_wherever_it_stands() -> None:
    result = redacted(
        {
            "messages": [
                {"role": "system", "content": "Answer a@b.com only."},
                {"role": "user", "content": [{"type": "text", "text": "I am c@d.org, not a@b.com"}]},
            ],
            "user": "c@d.org",
            "metadata": {"who": "call +49 711 1234567"},
        }
    )
    assert sent(result) == {
        "messages": [
            {"role": "system", "content": "Answer [EMAIL_1] only."},
            {"role": "user", "content": [{"type": "text", "text": "I am [EMAIL_2], not [EMAIL_1]"}]},
        ],
        "user": "[EMAIL_2]",
        "metadata": {"who": "call [PHONE_1]"},
    }
    assert result.originals == {"[EMAIL_1]": "a@b.com", "[EMAIL_2]": "c@d.org", "[PHONE_1]": "+49 711 1234567"}
    assert result.counts == ("email:4", "phone:1")


def test_what_holds_nothing_keeps_its_very_bytes() -> None:
    raw = b'{"model":"m","temperature":1.0,"seed":1e2,"messages":[ {"role":"user", "content":"a@b.com"} ],"n":  1}'
    parsed = parse_object(raw, DEFAULT_LIMITS)
    out = redact_body(parsed, parsed.values, MOST).body.with_members({})
    assert b'"temperature":1.0,"seed":1e2,' in out
    untouched = parse_object(b'{"messages":[ {"role":"user", "content":"hi"} ]}', DEFAULT_LIMITS)
    result = redact_body(untouched, untouched.values, MOST)
    assert (result.body, result.originals, result.counts) == (untouched, {}, ())


def test_only_the_members_named_are_looked_at() -> None:
    parsed = parse_object(b'{"a":"x@y.com","b":"x@y.com"}', DEFAULT_LIMITS)
    assert redact_body(parsed, ["b", "c"], MOST).body.values == {"a": "x@y.com", "b": "[EMAIL_1]"}


def test_roles_types_and_ids_stay_what_both_sides_know() -> None:
    call = {"id": "4111111111111111", "type": "function", "function": {"name": "f", "arguments": '{"to":"a@b.com"}'}}
    body = {
        "messages": [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "4111111111111111", "content": "sent to a@b.com"},
        ]
    }
    found = sent(redacted(body))["messages"]
    assert found[0]["tool_calls"][0]["id"] == found[1]["tool_call_id"] == "4111111111111111"
    assert found[0]["tool_calls"][0]["function"]["arguments"] == '{"to":"[EMAIL_1]"}'
    assert found[1]["content"] == "sent to [EMAIL_1]"


def test_a_placeholder_that_the_caller_wrote_is_not_taken_for_ours() -> None:
    result = redacted({"a": "[EMAIL_1] means a@b.com, [EMAIL_3] nothing", "b": "c@d.org"})
    assert sent(result) == {"a": "[EMAIL_1] means [EMAIL_2], [EMAIL_3] nothing", "b": "[EMAIL_4]"}
    assert "[EMAIL_1]" not in result.originals


def test_no_value_shows_in_a_repr() -> None:
    assert "a@b.com" not in repr(redacted({"a": "a@b.com"}))


@pytest.mark.parametrize(
    ("body", "most"),
    [
        ({"a": "x" * 101}, 100),
        ({"a": ["x" * 50, {"k" * 20: "x" * 50}]}, 100),
        ({"metadata": {"jane@example.com": "x"}}, 1_000),
        ({"tools": [{"function": {"parameters": {"properties": {"4111 1111 1111 1111": {}}}}}]}, 1_000),
    ],
)
def test_what_cannot_be_redacted_as_a_whole_is_not_redacted_at_all(body: dict[str, Any], most: int) -> None:
    with pytest.raises(NotRedactable) as refusal:
        redacted(body, most)
    assert "jane" not in str(refusal.value)


def test_the_longest_placeholder() -> None:
    assert len("[PRIVATE_KEY_99999]") == PLACEHOLDER_CHARACTERS
    assert max(KINDS, key=len) == "private_key"


def test_json_in_a_call_stays_json_and_no_escape_is_taken_for_a_part_of_an_address() -> None:
    arguments = json.dumps({"body": "Hello\nbob@example.com", "to": "j\u00f6rg@example.com", "id": "bob@example.com"})
    function = {"name": "send", "arguments": arguments}
    result = redacted({"messages": [{"role": "assistant", "tool_calls": [{"id": "c1", "function": function}]}]})
    called = sent(result)["messages"][0]["tool_calls"][0]
    assert json.loads(called["function"]["arguments"]) == {
        "body": "Hello\n[EMAIL_1]",
        "to": "[EMAIL_2]",
        "id": "[EMAIL_1]",
    }
    assert called["id"] == "c1"
    assert result.originals == {"[EMAIL_1]": "bob@example.com", "[EMAIL_2]": "j\u00f6rg@example.com"}


@pytest.mark.parametrize("text", ["{", '{"a":1,"a":2} to a@b.com', '{"name":"cut off at a@b.com'])
def test_arguments_that_are_no_json_are_redacted_as_text(text: str) -> None:
    result = redacted({"messages": [{"arguments": text}]})
    assert sent(result) == {"messages": [{"arguments": text.replace("a@b.com", "[EMAIL_1]")}]}


def test_an_id_among_what_the_caller_names_is_no_name_that_both_sides_know() -> None:
    assert sent(redacted({"metadata": {"id": "a@b.com"}})) == {"metadata": {"id": "[EMAIL_1]"}}
    assert sent(redacted({"messages": [{"id": "a@b.com"}]})) == {"messages": [{"id": "a@b.com"}]}

"""The encoder that is set up once writes what `json.dumps` writes."""

from __future__ import annotations

import json
from json import encoder as json_encoder
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker import compact_json
from worker.compact_json import build_encoder, plain_numbers

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
FORMS = [(sort, escape) for sort in (False, True) for escape in (False, True)]


@pytest.mark.parametrize(("sort_keys", "ensure_ascii"), FORMS)
@given(value=VALUES)
def test_same_bytes_as_the_standard_library(sort_keys: bool, ensure_ascii: bool, value: Any) -> None:
    expected = json.dumps(value, sort_keys=sort_keys, ensure_ascii=ensure_ascii, separators=(",", ":"))
    assert build_encoder(sort_keys=sort_keys, ensure_ascii=ensure_ascii)(value) == expected


@pytest.mark.parametrize("missing", ["absent", "of another form"])
def test_another_python_gets_the_slower_public_way(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise TypeError("other arguments")

    quotes = {name: getattr(json_encoder, name) for name in ("encode_basestring", "encode_basestring_ascii")}
    make = None if missing == "absent" else refuse
    monkeypatch.setattr(compact_json, "_json_encoder", SimpleNamespace(c_make_encoder=make, **quotes))
    assert build_encoder(sort_keys=True)({"b": 1, "a": "é"}) == '{"a":"\\u00e9","b":1}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        build_encoder()(value)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object()])
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        build_encoder()(value)


@given(VALUES)
def test_numbers_are_written_out_and_nothing_else_changes(value: Any) -> None:
    text = json.dumps({"value": value, "small": [1e-05, -2.5e-06, "1e-05", '\\"1e-05']})
    plain = plain_numbers(text)
    assert json.loads(plain) == json.loads(text)
    assert '[0.00001, -0.0000025, "1e-05", ' in plain

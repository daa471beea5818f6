"""W3C Trace Context: what is a trace, what is malformed, what is passed on; the cases of the W3C's own test suite."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.host import SystemIds
from worker.trace_context import (
    MAX_STATE_CHARACTERS,
    Parent,
    Trace,
    begin_trace,
    names_trace,
    new_span_id,
    parse_traceparent,
    parse_tracestate,
    read_parent,
    to_traceparent,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("text", "parent"),
    [
        (GOOD, Parent(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-00", Parent(TRACE, SPAN, False)),
        (f"00-{TRACE}-{SPAN}-fe", Parent(TRACE, SPAN, False)),
        (f"00-{TRACE}-{SPAN}-ff", Parent(TRACE, SPAN, True)),
        (f"cc-{TRACE}-{SPAN}-01", Parent(TRACE, SPAN, True)),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", Parent(TRACE, SPAN, True)),
        (f"01-{TRACE}-{SPAN}-01-", Parent(TRACE, SPAN, True)),
    ],
)
def test_a_well_formed_header_names_a_trace(text: str, parent: Parent) -> None:
    assert parse_traceparent(text) == parent


MALFORMED = {
    "nothing": "",
    "words": "hello",
    "no flags": f"00-{TRACE}-{SPAN}",
    "no span": f"00-{TRACE}-01",
    "version ff": f"ff-{TRACE}-{SPAN}-01",
    "version of one digit": f"0-{TRACE}-{SPAN}-01",
    "version of three digits": f"000-{TRACE}-{SPAN}-01",
    "version in upper case": f"CC-{TRACE}-{SPAN}-01",
    "version that is no number": f".0-{TRACE}-{SPAN}-01",
    "trace of zeros": f"00-{'0' * 32}-{SPAN}-01",
    "trace in upper case": f"00-{TRACE.upper()}-{SPAN}-01",
    "trace too short": f"00-{TRACE[1:]}-{SPAN}-01",
    "trace too long": f"00-{TRACE}a-{SPAN}-01",
    "trace that is no number": f"00-{'g' + TRACE[1:]}-{SPAN}-01",
    "span of zeros": f"00-{TRACE}-{'0' * 16}-01",
    "span in upper case": f"00-{TRACE}-{SPAN.upper()}-01",
    "span too short": f"00-{TRACE}-{SPAN[1:]}-01",
    "span too long": f"00-{TRACE}-{SPAN}b-01",
    "flags too short": f"00-{TRACE}-{SPAN}-1",
    "flags too long": f"00-{TRACE}-{SPAN}-001",
    "flags in upper case": f"00-{TRACE}-{SPAN}-0A",
    "flags that are no number": f"00-{TRACE}-{SPAN}-.0",
    "version 00 with more behind": f"{GOOD}-what-the-future-will-be-like",
    "version 00 with a dash behind": f"{GOOD}-",
    "a later version with more behind, not parted off": f"cc-{TRACE}-{SPAN}-01.what",
    "parted by underscores": GOOD.replace("-", "_"),
    "two in one": f"{GOOD},{GOOD}",
    "blanks inside": f"00- {TRACE}-{SPAN}-01",
    "a line's end": f"{GOOD}\n",
    "digits that are not ASCII's": GOOD.replace("0", "٠"),
    "in quotation marks": f'"{GOOD}"',
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_header_names_none_and_is_no_error(text: str) -> None:
    assert parse_traceparent(text) is None
    assert read_parent([(b"traceparent", text.encode()), (b"tracestate", b"a=1")]) is None


def test_headers_are_read_as_a_whole() -> None:
    good = GOOD.encode()
    parent = Parent(TRACE, SPAN, True)
    assert read_parent([]) is None
    assert read_parent([(b"tracestate", b"a=1")]) is None, "it says nothing without a trace"
    assert not names_trace([(b"tracestate", b"a=1")])
    assert names_trace([(b"x", b"y"), (b"traceparent", b"")])
    assert read_parent([(b"traceparent", b" \t" + good + b"\t ")]) == parent
    assert read_parent([(b"traceparent", good), (b"traceparent", good)]) is None, "which one?"
    assert read_parent([(b"traceparent", b"x" * 9_000)]) is None
    two = [(b"tracestate", b"a=1"), (b"x", b"y"), (b"traceparent", good), (b"tracestate", b"b=2,")]
    assert read_parent(two) == parent._replace(state="a=1,b=2"), "several are one list"
    assert read_parent([(b"traceparent", good), (b"tracestate", b"=")]) == parent
    assert read_parent([(b"traceparent", good), (b"tracestate", b"a=1," * 3_000)]) == parent


@pytest.mark.parametrize(
    ("given_states", "passed_on"),
    [
        ((), ""),
        (("",), ""),
        ((" , ,\t",), ""),
        (("foo=1",), "foo=1"),
        (("foo=1 \t , \t bar=2",), "foo=1,bar=2"),
        (("foo=1", "bar=2"), "foo=1,bar=2"),
        (("a-b_c*d/e=:;<>?@[]",), "a-b_c*d/e=:;<>?@[]"),
        (("tenant@vendor=1,0tenant@vendor=2",), "tenant@vendor=1,0tenant@vendor=2"),
        (("foo= blank in front",), "foo= blank in front"),
        ((f"{'k' * 256}=1",), f"{'k' * 256}=1"),
        ((f"{'t' * 241}@{'v' * 14}=1",), f"{'t' * 241}@{'v' * 14}=1"),
        ((f"k={'v' * 256}",), f"k={'v' * 256}"),
        ((",".join(f"k{number}=1" for number in range(32)),), ",".join(f"k{number}=1" for number in range(32))),
    ],
)
def test_states_are_passed_on_in_order(given_states: tuple[str, ...], passed_on: str) -> None:
    assert parse_tracestate(given_states) == passed_on


@pytest.mark.parametrize(
    "state",
    [
        "foo",
        "=1",
        "foo=",
        "foo=1=2",
        "foo=1,foo=2",
        "Foo=1",
        "0foo=1",
        "foo @vendor=1",
        "foo@=1",
        "@vendor=1",
        "foo@0vendor=1",
        "foo@bar@baz=1",
        f"{'k' * 257}=1",
        f"{'t' * 242}@v=1",
        f"t@{'v' * 15}=1",
        f"k={'v' * 257}",
        "foo=ü",
        "foo=\x00",
        "foo=1,bar",
        ",".join(f"k{number}=1" for number in range(33)),
    ],
)
def test_a_malformed_list_is_left_out_as_a_whole(state: str) -> None:
    assert parse_tracestate([state]) == parse_tracestate([state, "ok=1"]) == ""


def test_a_long_list_loses_its_long_entries_first_and_then_its_end() -> None:
    long = f"long={'v' * 200}"
    short = [f"k{number:02}={'v' * 28}" for number in range(20)]
    assert parse_tracestate([",".join([long, *short[:5]])]) == ",".join([long, *short[:5]]), "it fits"
    assert parse_tracestate([",".join([long, *short[:12]])]) == ",".join(short[:12])
    assert parse_tracestate([",".join(short)]) == ",".join(short[:15])
    assert parse_tracestate([",".join([long, long.replace("long", "also"), short[0], f"l={'v' * 200}"])]) == ",".join(
        [long, long.replace("long", "also"), short[0]]
    )


KEYS = st.from_regex(r"[a-z][a-z0-9_*/-]{0,20}", fullmatch=True)
VALUES = st.from_regex(r"[!-+\--<>-~]{1,40}", fullmatch=True)


@given(st.dictionaries(KEYS, VALUES, max_size=32))
def test_what_is_passed_on_is_bounded_well_formed_and_the_same_again(entries: dict[str, str]) -> None:
    passed = parse_tracestate([f"{key}={value}" for key, value in entries.items()])
    assert len(passed) <= MAX_STATE_CHARACTERS
    assert parse_tracestate([passed]) == passed
    given_entries = [f"{key}={value}" for key, value in entries.items()]
    assert not passed or [entry for entry in given_entries if entry in passed.split(",")] == passed.split(",")


HEX = "0123456789abcdef"
TRACE_IDS = st.text(HEX, min_size=32, max_size=32).filter(lambda text: text.strip("0"))
SPAN_IDS = st.text(HEX, min_size=16, max_size=16).filter(lambda text: text.strip("0"))


@given(TRACE_IDS, SPAN_IDS, st.booleans())
def test_what_is_written_is_read_back(trace_id: str, span_id: str, is_sampled: bool) -> None:
    written = to_traceparent(trace_id, span_id, is_sampled=is_sampled).decode()
    assert parse_traceparent(written) == Parent(trace_id, span_id, is_sampled)


@given(st.text())
def test_any_text_is_read_or_is_none(text: str) -> None:
    assert parse_traceparent(text) is None
    assert isinstance(parse_tracestate([text]), str)


def test_a_request_gets_a_span_of_its_own_and_each_attempt_another() -> None:
    ids = SystemIds()
    trace = begin_trace(Parent(TRACE, SPAN, True, "a=1"), ids, is_sampled=True)
    assert (trace.trace_id, trace.parent_id, trace.state) == (TRACE, SPAN, "a=1")
    assert trace.span_id != SPAN
    span_id = new_span_id(ids)
    assert trace.headers_for(span_id) == (
        (b"traceparent", f"00-{TRACE}-{span_id}-01".encode()),
        (b"tracestate", b"a=1"),
    )
    begun = begin_trace(None, ids, is_sampled=False)
    assert parse_traceparent(begun.traceparent.decode()) == Parent(begun.trace_id, begun.span_id, False)
    assert begun.parent_id == ""
    assert begun.headers_for(span_id) == ((b"traceparent", f"00-{begun.trace_id}-{span_id}-00".encode()),)
    assert isinstance(begun, Trace)

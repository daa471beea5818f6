"""routes.yaml: read into routes, and every problem told with its line and column."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from gateway.sessions.routes_yaml import MAX_FILE_BYTES, RoutesFileRefused, load_routes, parse_routes
from worker.errors import SettingsError
from worker.sessions.rules import In, Range
from worker.sessions.transforms import Drop, Rename

EXAMPLE = """\
# Who gets what.
version: 1
destinations:
  billing: {party: finance, retention_days: 365, type: sqlite}
  audit:
    retention_days: 2555
    transform: [{redact: [metadata.source_ip]}]
    type: sqlite
parties:
  finance:
    shares_with:
      - party: auditor
        transform: [{keep: [usage]}]
rules:
  - name: bills
    match:
      usage.total_tokens: {range: {gte: 1}}
      outcome.status: {in: [success, "timeout"]}
    to: [billing]
    transform:
      - rename: {user.user_id: customer}
      - drop: [metadata]
  - name: a sample for the auditors
    to: [audit]
    sample: 0.01
    stop: true
"""


def problems(text: str) -> list[str]:
    with pytest.raises(RoutesFileRefused) as refused:
        parse_routes("routes.yaml", text)
    return list(refused.value.problems)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(EXAMPLE)
    routes = load_routes(path)
    bills, sample = routes.rules
    assert bills.match == (
        Range(("usage", "total_tokens"), gte=1),
        In(("outcome", "status"), ("success", "timeout")),
    )
    assert bills.transforms == (Rename(("user", "user_id"), ("customer",)), Drop((("metadata",),)))
    assert (sample.sample_ppm, sample.stop) == (10_000, True)
    assert routes.destinations["billing"].party == "finance"
    assert routes.shares["finance"][0].party == "auditor"


def test_an_unknown_key_is_told_with_its_line() -> None:
    text = EXAMPLE.replace("    sample: 0.01", "    sampel: 0.01").replace("retention_days: 365", "retention: 365")
    assert problems(text) == [
        "routes.yaml:4:29: destinations.billing.retention: there is no such key here; did you mean retention_days?",
        "routes.yaml:25:5: rules[1].sampel: there is no such key here; did you mean sample?",
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version: 1", "version: 2", "2:10: version: must be 1, the only version there is"),
        ("to: [billing]", "to: [biling]", "19:10: rules[0].to[0]: there is no such destination; did you mean billing?"),
        ("{gte: 1}", "{gte: one}", "17:41: rules[0].match.usage.total_tokens.range.gte: must be a number"),
        (
            "usage.total_tokens",
            "usage.tokens",
            "17:7: rules[0].match.usage.tokens: there is no such field; did you mean ",
        ),
        ("stop: true", "stop: yes", "26:11: yes may mean true or false: write that, or quote it as a text"),
        ("sample: 0.01", "sample: 1e-2", "25:13: rules[1].sample: must be a number from 0 to 1 with at most six"),
        ("2555", "0x9fb", "6:21: 0x9fb is not plainly decimal"),
        ("2555", "010", "6:21: 010 is not plainly decimal"),
        ("2555", "1_000", "6:21: 1_000 is not plainly decimal"),
        ("2555", ".inf", "6:21: .inf is not plainly decimal"),
        ("2555", "42:35", "6:21: 42:35 is not plainly decimal"),
        ("  - name: bills", "  - name: &x bills", "15:11: anchors (&name) and aliases (*name) are not read"),
        ("  - name: bills", "  - name: !!python/name:os.system bills", "15:11: tags (!name) are not read"),
        ("    sample: 0.01", "    to: []", "25:5: to is there twice"),
        ("    sample: 0.01", "    ? [a]\n    : 1", "25:7: a key must be a word"),
        ("    stop: true", "\tstop: true", "26:1: not YAML"),
        ("    stop: true", "---\nversion: 1", "26:1: there is one document, of at most 12 levels"),
        ("    stop: true", "    stop: " + "[" * 20 + "]" * 20, "26:20: there is one document, of at most 12 levels"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, told: str) -> None:
    assert old in EXAMPLE
    found = problems(EXAMPLE.replace(old, new))
    assert found[0].startswith(f"routes.yaml:{told}"), found


@pytest.mark.parametrize("text", ["", "# nothing\n", "7", "[]", "a"])
def test_a_file_without_a_configuration_is_refused(text: str) -> None:
    assert problems(text)[0].endswith("must be a section with version, destinations, parties, rules")


@pytest.mark.parametrize("text", ["\x00", "a: \x07", "%YAML 3.0\n---\na: b", "a: 'b", "{a"])
def test_what_is_no_yaml_is_refused(text: str) -> None:
    assert "not YAML" in problems(text)[0]


def test_a_file_that_can_not_be_read_is_a_setting_that_can_not_be_used(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    for data, told in (
        (None, "can't be read"),
        (b"a: \n\xff", ":2: it is not UTF-8"),
        (b"#" * (MAX_FILE_BYTES + 1), "bytes"),
    ):
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(SettingsError, match=told):
            load_routes(path)


def test_the_example_of_the_documentation_is_one() -> None:
    page = (Path(__file__).parents[3] / "docs" / "sessions.md").read_text(encoding="utf-8")
    routes = parse_routes("docs/sessions.md", page.partition("```yaml\n")[2].partition("```")[0])
    assert [rule.name for rule in routes.rules] == ["no tests", "bills", "everything", "one in a hundred"]


def test_numbers_stay_exact() -> None:
    routes = parse_routes("routes.yaml", EXAMPLE.replace("{gte: 1}", "{gte: 0.1, lt: 9007199254740993}"))
    assert routes.rules[0].match[0] == Range(("usage", "total_tokens"), gte=Decimal("0.1"), lt=9007199254740993)

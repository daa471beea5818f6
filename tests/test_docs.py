"""The documentation holds what it says: links lead somewhere, tables are complete, figures are the code's own."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.settings import ALL_SETTINGS
from worker.canon.codes import DENIAL_REASON_CODES, INVARIANT_IDS
from worker.canon.fixed_point import neg_ln_micronats
from worker.routing.default_catalogue import DEFAULT_CATALOGUE

ROOT = Path(__file__).parents[1]
MILLION = 1_000_000
SKIPPED_SUFFIXES = (".wasm", ".bin", ".png", ".ico", ".woff2")

#: A path on somebody's machine, and addresses of package registries: neither means anything to a reader.
MACHINE_PATH = re.compile(r"(?<![\w.$~/-])/(?:work|home|root|Users)/[\w.-]+")
REGISTRY = re.compile(
    r"\b(?:pypi\.org|files\.pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com)\b", re.ASCII
)
#: The home of the runtime's user inside Pyodide's own file system, the same everywhere.
PYODIDE_HOME = "/home/pyodide"


def git_files() -> list[str]:
    """Every file of the checkout that git keeps or would keep."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(name for name in set(listed) if (ROOT / name).is_file())


def pages() -> list[str]:
    return [name for name in git_files() if name.endswith(".md")]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def fences(text: str) -> Iterator[tuple[str, str]]:
    """Language and content of each fenced block."""
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield found[1], found[2]


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """What a heading is called in a link, the way GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(name: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head; code marks taken off."""
    _, found, rest = read(name).partition(f"# {heading}\n")
    assert found, f"{name} has no heading {heading!r}"
    table = re.search(r"(?:^\|.*\n)+", rest, re.MULTILINE)
    assert table is not None, f"{name} has no table under {heading!r}"
    lines = table[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split(" | ")] for line in lines]


def whole(text: str) -> int:
    return int(text.strip("*").replace(",", ""))


@pytest.mark.parametrize("page", pages())
def test_every_relative_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(read(page))):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert file.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{page} links to {target}"


def test_every_page_of_docs_is_in_the_index() -> None:
    index = read("docs/README.md")
    missing = [name for name in pages() if name.startswith("docs/") and name != "docs/README.md"]
    assert [name for name in missing if f"({name.removeprefix('docs/')})" not in index] == []


def test_configuration_lists_the_settings_and_nothing_else() -> None:
    listed = re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", read("docs/configuration.md"), re.MULTILINE)
    assert sorted(listed) == sorted(setting.name for setting in ALL_SETTINGS)


def test_configuration_gives_the_true_defaults() -> None:
    for name, _, default in re.findall(
        r"^\| `([A-Z][A-Z0-9_]+)` \|(.*)\| (.+?) \|$", read("docs/configuration.md"), re.M
    ):
        setting = next(one for one in ALL_SETTINGS if one.name == name)
        if setting.default:
            assert f"`{setting.default}`" in default, f"{name} is said to default to {default}"
        if setting.secret:
            assert f"`{name}` |" in read("docs/configuration.md")


def declared_dependencies() -> list[str]:
    project = tomllib.loads(read("pyproject.toml"))
    groups = project["project"].get("optional-dependencies", {}).values()
    lines = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    lines += [line for group in groups for line in group]
    lines += [line for line in read("deploy/edge/requirements.txt").splitlines() if line and not line.startswith("#")]
    names = [re.split(r"[=<>!~;\[ ]", line, maxsplit=1)[0] for line in lines]
    # Of the clients' environment those that are asked for; a comment begins what they bring.
    clients = [line for line in read("tests/clients/requirements.txt").split("\n\n")[0].splitlines() if "==" in line]
    names += [line.partition("==")[0] for line in clients]
    packages = [json.loads(read(f"tests/{folder}/package.json"))["dependencies"] for folder in ("edge", "clients")]
    return names + [name for package in packages for name in package]


def test_every_dependency_has_its_reason() -> None:
    tables = "\n".join(re.findall(r"^\|[^|]+\|", read("docs/dependencies.md"), re.MULTILINE))
    assert [name for name in declared_dependencies() if f"`{name}`" not in tables] == []


def test_every_header_of_ours_is_explained() -> None:
    sent = set()
    for folder in ("worker", "gateway"):
        for path in (ROOT / folder).rglob("*.py"):
            sent |= set(re.findall(r"[\"'](x-harpoon-[a-z-]+)[\"']", path.read_text(encoding="utf-8")))
    assert len(sent) >= 10
    assert sorted(name for name in sent if f"`{name}`" not in read("docs/api.md")) == []


def test_every_endpoint_is_in_the_reference() -> None:
    served = re.findall(r"Route\(\"([^\"]+)\"", read("worker/app.py"))
    assert served
    documented = read("docs/api.md")
    for path in served:
        assert re.sub(r"\{\w+(:path)?\}", "{id}", path) in documented, path


def test_every_error_code_is_in_the_reference() -> None:
    codes = set()
    for path in (ROOT / "worker").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                named = [one for one in node.body if isinstance(one, ast.Assign | ast.AnnAssign)]
                for one in named:
                    target = one.targets[0] if isinstance(one, ast.Assign) else one.target
                    if isinstance(target, ast.Name) and target.id == "code" and isinstance(one.value, ast.Constant):
                        codes.add(str(one.value.value))
    # These are faults of the host's own data: they end a start, and never reach a caller.
    internal = {"bad_catalogue", "bad_settings", "not_canonical"}
    assert internal < codes
    assert sorted(code for code in codes - internal if f"`{code}`" not in read("docs/api.md")) == []


def test_every_denial_code_and_invariant_is_explained() -> None:
    text = read("docs/routing.md")
    assert sorted(row[0] for row in rows("docs/routing.md", "Gates")) == sorted(DENIAL_REASON_CODES)
    listed = re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(DENIAL_REASON_CODES + INVARIANT_IDS)


def test_the_weights_are_the_catalogues() -> None:
    told = {}
    for name, cost, risk, improbability, bound, private in rows("docs/routing.md", "Weights"):
        told[name] = (whole(cost), whole(risk), whole(improbability), whole(bound), private == "yes")
    assert told == {
        name: (
            weights.cost_us_per_usd_micro,
            weights.risk_us_per_ppm,
            weights.improbability_us_per_micronat,
            weights.max_risk_ppm,
            weights.private_only,
        )
        for name, weights in DEFAULT_CATALOGUE.weights.items()
    }


def test_the_tier_factors_and_pools_are_the_catalogues() -> None:
    tiers = {
        name: tuple(whole(cell) * MILLION for cell in cells) for name, *cells in rows("docs/routing.md", "Tier factors")
    }
    assert tiers == {provider.id: provider.tier_factor_ppm for provider in DEFAULT_CATALOGUE.providers}
    told = {}
    for name, ratio, slowdown, wait_ms, price, risk, private in rows("docs/routing.md", "Pools"):
        factors = [ppm_of(text) for text in (slowdown, price)]
        told[name] = (
            0 if ratio == "-" else int(ratio),
            factors[0],
            int(wait_ms) * 1000,
            factors[1],
            whole(risk),
            private,
        )
    assert told == {
        pool.id: (
            pool.sharing_ratio,
            pool.slowdown_ppm,
            pool.wait_us,
            pool.price_ppm,
            pool.risk_ppm,
            "yes" if pool.private else "no",
        )
        for pool in DEFAULT_CATALOGUE.pools
    }


def ppm_of(factor: str) -> int:
    """`x 1.6` as parts per million."""
    before, _, after = factor.removeprefix("x ").partition(".")
    return int(before) * MILLION + int(after.ljust(6, "0"))


def test_the_worked_example_adds_up() -> None:
    tiers = {provider.id: provider.tier_factor_ppm[0] // MILLION for provider in DEFAULT_CATALOGUE.providers}
    weights = DEFAULT_CATALOGUE.weights["balanced"]
    example = rows("docs/routing.md", "A worked example")
    totals = []
    for route, ttv, cost, risk, success, total in example:
        spent = whole(ttv) + weights.cost_us_per_usd_micro * whole(cost)
        improbability = weights.improbability_us_per_micronat * neg_ln_micronats(whole(success))
        if total == "denied":
            assert whole(risk) > weights.max_risk_ppm
        else:
            assert whole(total) == spent * tiers[route.split("/")[0]] + whole(risk) + improbability
            totals.append(whole(total))
    assert totals == sorted(totals)
    assert len(totals) == 8


def test_the_python_in_the_pages_compiles() -> None:
    blocks = [(page, code) for page in pages() for language, code in fences(read(page)) if language == "python"]
    assert any(page == "README.md" for page, _ in blocks)
    for page, code in blocks:
        compile(code, page, "exec")


def test_the_json_in_our_pages_is_json() -> None:
    blocks = [
        code for page in ("README.md", "docs/api.md") for language, code in fences(read(page)) if language == "json"
    ]
    assert blocks
    for code in blocks:
        json.loads(code)


def test_no_file_knows_a_machine_or_a_registry() -> None:
    found = []
    for name in git_files():
        if name.endswith(SKIPPED_SUFFIXES) or name == "tests/test_docs.py":
            continue
        try:
            text = read(name)
        except UnicodeDecodeError:
            continue
        text = text.replace(PYODIDE_HOME, "")
        found += [f"{name}: {match[0]}" for match in (*MACHINE_PATH.finditer(text), *REGISTRY.finditer(text))]
    assert found == []


def test_the_commands_of_the_quick_start_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    wanted = {name for page in pages() for name in re.findall(r"^make ([a-z]+)$", read(page), re.MULTILINE)}
    assert {"run", "test", "deploy"} <= wanted <= targets

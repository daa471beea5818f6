"""Turns measurements into the tables of docs/performance.md; each section stands between markers of its own."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

PAGE = """# Performance

What a request costs when it goes through Harpoon, measured with the programs in `bench/` (bench/README.md says how to
read the tables). Absolute figures belong to the machine named below; the ratios to the floor, a bare Starlette +
aiohttp pass-through in the same run, are what to compare; another machine needs a run of its own.
"""
LIBRARIES = ("uvicorn", "uvloop", "httptools", "starlette", "aiohttp")
KINDS = {"plain": "plain", "stream": "stream, in one write", "paced": "stream, an event each ms"}


def write_section(page: Path, name: str, text: str) -> None:
    """Put `text` between the markers of section `name`; the section, or the page, is made if it is missing."""
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    content = page.read_text(encoding="utf-8") if page.is_file() else PAGE
    block = f"{begin}\n{text.strip()}\n{end}"
    before, found, rest = content.partition(begin)
    content = before + block + rest.partition(end)[2] if found else f"{content.rstrip()}\n\n{block}\n"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(content, encoding="utf-8")


def describe_machine() -> str:
    """Processor, cores, memory, Python and the libraries that decide the figures."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores ({model}), {memory_gb:.0f} GB, Linux, CPython {platform.python_version()}"


def describe_libraries() -> str:
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def over_rounds(results: dict[str, Any], key: str, figure: Callable[[dict[str, Any]], float]) -> list[float]:
    """`figure` of one load's systems, in each round."""
    return [figure(one[key]) for one in results["rounds"]]


def _rps(name: str) -> Callable[[dict[str, Any]], float]:
    return lambda systems: float(systems[name]["rps"])


def _field(name: str, field: str = "p50_ms") -> Callable[[dict[str, Any]], float]:
    return lambda systems: float(systems[name][field])


def _ratio(systems: dict[str, Any]) -> float:
    return _rps("harpoon")(systems) / _rps("floor")(systems)


def _above(name: str, base: str, field: str = "p50_ms") -> Callable[[dict[str, Any]], float]:
    return lambda systems: _field(name, field)(systems) - _field(base, field)(systems)


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def throughput_table(results: dict[str, Any]) -> list[str]:
    """Requests per second and the ratio to the floor, one row a load."""
    lines = [
        _row("answer", "connections", "upstream alone, req/s", "floor, req/s", "Harpoon, req/s", "Harpoon / floor")
        + " lowest to highest | floor p50 / p99 ms | Harpoon p50 / p99 ms | floor CPU us | Harpoon CPU us |",
        "| --- |" + " ---: |" * 10,
    ]
    for key in sorted(results["rounds"][0], key=_order):
        kind, connections = key.split("/")
        speeds = [f"{median(over_rounds(results, key, _rps(name))):,.0f}" for name in ("direct", "floor", "harpoon")]
        ratios = over_rounds(results, key, _ratio)
        waits = [
            f"{median(over_rounds(results, key, _field(name))):.2f} / "
            f"{median(over_rounds(results, key, _field(name, 'p99_ms'))):.2f}"
            for name in ("floor", "harpoon")
        ]
        cpu = [f"{median(over_rounds(results, key, _field(name, 'cpu_us'))):.0f}" for name in ("floor", "harpoon")]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        lines.append(_row(KINDS[kind], connections, *speeds, f"**{median(ratios):.2f}**", spread, *waits, *cpu))
    return lines


def _order(key: str) -> tuple[int, int]:
    kind, connections = key.split("/")
    return list(KINDS).index(kind), int(connections)


def latency_table(results: dict[str, Any]) -> list[str]:
    """Median milliseconds at one connection, and what each system adds to the upstream alone."""
    lines = [
        _row("one connection, median ms", "upstream alone", "floor", "Harpoon", "floor adds", "Harpoon adds")
        + " Harpoon above the floor |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows = (
        ("plain, whole answer", "plain/1", "p50_ms"),
        ("stream, first byte of the body", "stream/1", "ttfb_p50_ms"),
        ("stream, whole answer", "stream/1", "p50_ms"),
    )
    for title, key, field in rows:
        figures = [_field(name, field) for name in ("direct", "floor", "harpoon")]
        figures += [_above("floor", "direct", field), _above("harpoon", "direct", field)]
        figures += [_above("harpoon", "floor", field)]
        lines.append(_row(title, *(f"{median(over_rounds(results, key, one)):.3f}" for one in figures)))
    return lines


def process_table(results: dict[str, Any]) -> list[str]:
    """Memory and cold start of the two Python processes."""

    def cold(name: str, field: str) -> float:
        return float(median([one[field] for one in results["cold"][name]]))

    rows: tuple[tuple[str, Callable[[str], float]], ...] = (
        ("resident after the first answer, MB", lambda name: cold(name, "rss_mb")),
        ("resident after all rounds, MB", lambda name: float(results["memory"][name]["rss_mb"])),
        ("highest resident, MB", lambda name: float(results["memory"][name]["peak_mb"])),
        ("start of the process to first answered /health, ms", lambda name: cold(name, "health_ms")),
        ("start of the process to first chat answer, ms", lambda name: cold(name, "chat_ms")),
    )
    lines = [_row("process", "floor", "Harpoon"), "| --- | ---: | ---: |"]
    return lines + [_row(title, *(f"{figure(name):.0f}" for name in ("floor", "harpoon"))) for title, figure in rows]


def bounds_table(results: dict[str, Any]) -> list[str]:
    """What the project asks of itself, and whether this run holds it."""
    rows: tuple[tuple[str, float, float, bool], ...] = (
        ("plain at 16 connections, of the floor, at least", 0.50, _median_ratio(results, "plain/16"), True),
        ("stream at 16 connections, of the floor, at least", 0.65, _median_ratio(results, "stream/16"), True),
        (
            "added p50 at one connection, plain, ms, under",
            0.5,
            median(over_rounds(results, "plain/1", _above("harpoon", "direct"))),
            False,
        ),
        (
            "added time to first byte at one connection, stream, ms, under",
            1,
            median(over_rounds(results, "stream/1", _above("harpoon", "direct", "ttfb_p50_ms"))),
            False,
        ),
        ("highest resident memory, MB, under", 100, results["memory"]["harpoon"]["peak_mb"], False),
        ("cold start to /health, ms, under", 1000, median([c["health_ms"] for c in results["cold"]["harpoon"]]), False),
    )
    lines = [_row("bound", "asked", "found", "held"), "| --- | ---: | ---: | --- |"]
    for title, asked, found, is_floor in rows:
        held = found >= asked if is_floor else found < asked
        lines.append(_row(title, f"{asked:g}", f"{found:.2f}", "yes" if held else "**no**"))
    return lines


def _median_ratio(results: dict[str, Any], key: str) -> float:
    return float(median(over_rounds(results, key, _ratio)))


def write_run(page: Path, results: dict[str, Any], *, date: str, command: str) -> str:
    """Write the section of `bench.run`; returns its text."""
    parts = [
        "## The gateway on one machine",
        f"{date}, {describe_machine()}. {describe_libraries()}. {len(results['rounds'])} interleaved rounds, medians. "
        "Harpoon: one process, a token, a tenant budget, a decision over the whole catalogue and a ledger entry for "
        "every request, state on disk. Load client, upstream and gateway share the machine.",
        f"Reproduce it with `{command}`.",
        "\n".join(bounds_table(results)),
        "### Added latency",
        '"Adds" is the median of a system minus the median of the upstream alone, within one round.',
        "\n".join(latency_table(results)),
        "### Throughput",
        "The ratio is taken within each round; the median of these is printed, beside its range. CPU: processor time "
        "of the gateway's process per request, all threads, checkpoints of the database included.",
        "\n".join(throughput_table(results)),
        "### Memory and start",
        "\n".join(process_table(results)),
    ]
    text = "\n\n".join(parts)
    write_section(page, "run", text)
    return text

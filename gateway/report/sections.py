"""A report as sections of sentences and tables: worded once, so that Markdown and HTML can't say different things."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.report.summary import Figures, Latency, Share, Summary, Target
from worker.money import usd_text

NONE = "-"
#: Millionths that make a hundredth of a per cent.
_PPM_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Table:
    """Heads and rows; the first column holds names, the others are set to the right if `is_numeric`."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_numeric: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, what is to be known about it, and its table, if it has one. `chart` names the picture it may get."""

    title: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None
    chart: str = ""


def group_title(figures: Figures) -> str:
    """What the requests of a group are called."""
    return "Simulated requests (no model behind them)" if figures.is_simulated else "Requests"


def label(figures: Figures) -> str:
    """What stands behind every heading of a group that was simulated."""
    return " (simulated)" if figures.is_simulated else ""


def time_text(at_us: int) -> str:
    """A time to the second, UTC."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def percent(ppm: int | None) -> str:
    """Parts per million in per cent, rounded down to two decimals: 999599 -> `99.95 %`."""
    return NONE if ppm is None else f"{usd_text(ppm // _PPM_SHOWN * _PPM_SHOWN * 100)} %"


def milliseconds(us: int | None) -> str:
    """Microseconds as milliseconds, rounded up: whole from 100 ms on, with one decimal below."""
    if us is None:
        return NONE
    step = 1_000 if us >= 100_000 else 100
    return f"{usd_text(-(-us // step) * step * 1_000)} ms"


def dollars(usd_micros: int) -> str:
    """Micro-dollars, exact."""
    return f"-${usd_text(-usd_micros)}" if usd_micros < 0 else f"${usd_text(usd_micros)}"


def count(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}"


def figure_text(target: Target) -> str:
    """A target's figure in its unit."""
    if target.figure is None:
        return NONE
    return {"ppm": percent, "us": milliseconds}.get(target.unit, count)(target.figure)


def opening(summary: Summary) -> tuple[str, ...]:
    """What the whole report rests on."""
    return (
        f"Baseline: {summary.baseline} at its list price of {dollars(summary.baseline_input_price)} in and"
        f" {dollars(summary.baseline_output_price)} out for a million tokens, from {summary.catalogue_source}.",
        "Rates are rounded down and times up, percentiles are measured values (nearest rank), money is exact; n ="
        " requests a figure is of.",
    )


def empty_sentences() -> tuple[str, ...]:
    """What to do where there is nothing to report on."""
    return (
        "There are no decisions in this period, so there is nothing to report on yet.",
        'Start a server with `harpoon serve`, send it requests (`harpoon ask "What is a vGPU?"` is one), and ask for'
        " the report again; `harpoon decisions` shows what there is. If you gave --since, try an earlier time.",
    )


def sections(figures: Figures) -> list[Section]:
    """Everything about one group of requests, in the order in which it is read."""
    mark = label(figures)
    made = [
        _targets(figures, mark),
        _ends(figures, mark),
        _cost(figures, mark),
        _latency(figures, mark),
        _quality(figures, mark),
        _budgets(figures, mark),
        _refusals(figures, mark),
        _shares(f"Routes{mark}", "route", figures.routes, "routes"),
        _shares(f"Models{mark}", "model", figures.models, ""),
        _shares(f"Complexity{mark}", "complexity", figures.complexities, "complexities"),
    ]
    return [section for section in made if section is not None]


def _targets(figures: Figures, mark: str) -> Section:
    rows = [
        (f"{target.name}: {target.wanted}", f"{figure_text(target)} (n = {count(target.n)})", target.verdict)
        for target in figures.targets
    ]
    return Section(f"Targets{mark}", (), Table(("target", "figure", "verdict"), tuple(rows), is_numeric=False))


def _ends(figures: Figures, mark: str) -> Section:
    ends = figures.ends
    rows = (
        ("requests", count(ends.requests)),
        ("succeeded", count(ends.succeeded)),
        ("failed (error or deadline)", count(ends.failed)),
        ("left by their client", count(ends.left)),
        ("refused before anything was sent", count(ends.refused)),
        ("still open", count(ends.still_open)),
        ("of them unsettled (nobody knows the usage)", count(ends.unsettled)),
        (f"success rate, n = {count(ends.judged)}", percent(ends.success_ppm)),
    )
    period = f"From {time_text(figures.from_us)} to {time_text(figures.until_us)}."
    return Section(
        f"How they ended{mark}",
        (period, "The success rate is of the requests that were sent and ended, other than by their client's leaving."),
        Table(("", "figure"), rows),
    )


def _cost(figures: Figures, mark: str) -> Section:
    cost = figures.cost
    sentences = [
        f"The comparison is of the {count(cost.compared)} requests whose tokens are known: what they were charged,"
        " and what the same tokens cost on the baseline."
    ]
    if figures.is_simulated:
        sentences.append("Simulated prices are demonstration figures and simulated tokens are no model's.")
    if cost.unknown:
        sentences.append(
            f"Nobody knows the usage of {count(cost.unknown)} more: they were charged their worst case,"
            f" {dollars(cost.unknown_usd_micros)}, and are not in the comparison."
        )
    if cost.other_catalogue:
        sentences.append(
            f"{count(cost.other_catalogue)} of the compared were decided under another catalogue than the one whose"
            " price is taken for the baseline."
        )
    rows = (
        ("charged in all", dollars(cost.total_usd_micros)),
        (f"charged, n = {count(cost.compared)}", dollars(cost.charged_usd_micros)),
        (f"on the baseline, n = {count(cost.compared)}", dollars(cost.baseline_usd_micros)),
        ("saved", dollars(cost.saved_usd_micros)),
        ("saving", percent(cost.saving_ppm)),
    )
    return Section(f"Cost against the baseline{mark}", tuple(sentences), Table(("", "figure"), rows), "cost")


def _latency(figures: Figures, mark: str) -> Section:
    def row(name: str, times: Latency) -> tuple[str, ...]:
        values = (times.mean_us, times.p50_us, times.p95_us, times.p99_us)
        return (name, count(times.n), *[milliseconds(value) for value in values])

    return Section(
        f"Latency{mark}",
        ("Of requests that succeeded, from their reading to their last byte: classification and routing included.",),
        Table(
            ("", "n", "average", "p50", "p95", "p99"),
            (row("whole request", figures.latency), row("first byte", figures.first_byte)),
        ),
        "latency",
    )


def _quality(figures: Figures, mark: str) -> Section:
    return Section(
        f"Quality, an estimate{mark}",
        (
            "The mean chance of success that the selected candidates were given when they were decided for. It is the"
            " classifier's estimate, not a measurement of answers, and not calibrated.",
        ),
        Table(("", "figure"), ((f"estimate, n = {count(figures.quality_n)}", percent(figures.quality_ppm)),)),
    )


def _budgets(figures: Figures, mark: str) -> Section | None:
    if not figures.budgets:
        return None
    rows = tuple(
        (
            "budget of one request (mean)" if use.name == "request" else f"{use.name} account (as last seen)",
            count(use.n),
            percent(use.used_ppm),
            percent(use.most_ppm),
        )
        for use in figures.budgets
    )
    return Section(f"Budgets{mark}", (), Table(("", "n", "used", "most used"), rows))


def _refusals(figures: Figures, mark: str) -> Section | None:
    if not figures.refusals:
        return None
    return Section(
        f"Refusals by reason{mark}",
        ("A refused request counts under every code that stood against one of its candidates.",),
        Table(("code", "requests"), tuple((code, count(n)) for code, n in figures.refusals)),
        "refusals",
    )


def _shares(title: str, name: str, shares: Iterable[Share], chart: str) -> Section | None:
    rows = tuple(
        (
            share.name,
            count(share.requests),
            count(share.succeeded),
            dollars(share.cost_usd_micros),
            milliseconds(share.mean_us),
        )
        for share in shares
    )
    return Section(title, (), Table((name, "requests", "succeeded", "cost", "average"), rows), chart) if rows else None

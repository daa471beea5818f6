"""The counts of a process as Prometheus' text exposition format 0.0.4.

Written by hand, because prometheus-client is not available at the edge. Every sample carries the label `process`:
behind one address several processes answer, and a counter that seems to jump from one's value to another's would be
read as a restart. Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from worker.metrics import Metrics
from worker.money import usd_text

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
Labels = Sequence[tuple[str, str]]


def exposition(
    metrics: Metrics,
    *,
    is_up: bool,
    uptime_us: int,
    build: Labels,
    more: Callable[[Page], None] | None = None,
) -> str:
    """The page of one scrape. `build`: of harpoon_build_info; `is_up`: not every provider is known to be down.

    `more`: adds the families of another part.
    """
    page = Page((("process", metrics.process),))
    page.family("harpoon_up", "gauge", "1 while at least one configured provider is not known to be down, else 0.")
    page.sample("harpoon_up", (), "1" if is_up else "0")
    page.family("harpoon_build_info", "gauge", "Always 1; what runs is in the labels.")
    page.sample("harpoon_build_info", build, "1")
    page.family("harpoon_uptime_seconds", "gauge", "Seconds since this process began to serve.")
    page.sample("harpoon_uptime_seconds", (), usd_text(uptime_us))
    page.family("harpoon_requests_in_flight", "gauge", "Chat requests that are being served now.")
    page.sample("harpoon_requests_in_flight", (), str(metrics.in_flight))
    requests = "Chat requests that ended, by what became of them and the status sent."
    page.counter("harpoon_requests_total", requests, ("outcome", "status"), metrics.requests.items())
    page.histogram("harpoon_request_duration_seconds", "From the start of a chat request to its end.", metrics.duration)
    page.histogram("harpoon_first_byte_seconds", "From its start to the provider's first byte.", metrics.first_byte)
    attempts = "Upstream calls, by how they ended."
    page.counter("harpoon_attempts_total", attempts, ("provider", "cause"), metrics.attempts.items())
    page.counter("harpoon_tokens_total", "Tokens charged.", ("direction", "model"), metrics.tokens.items())
    cost = "Dollars charged, by the provider asked last."
    page.counter("harpoon_cost_usd_total", cost, ("provider",), _single(metrics.cost_usd_micros), micros=True)
    denials = "Decisions that admitted no route, by each code among their reasons."
    page.counter("harpoon_denials_total", denials, ("reason_code",), _single(metrics.denials))
    limited = "Requests refused by a limit on requests or tokens, by each limit that refused."
    page.counter("harpoon_limited_total", limited, ("limit",), _single(metrics.limits))
    page.counter("harpoon_classified_total", "Texts classified.", ("complexity",), _single(metrics.classified))
    lookups = "Requests admitted while the answer cache is on, by what it had for them."
    page.counter("harpoon_cache_lookups_total", lookups, ("result",), _single(metrics.cache_lookups))
    if more is not None:
        more(page)
    return page.text()


def _single(counts: Mapping[str, int]) -> Iterable[tuple[tuple[str, ...], int]]:
    """Counts by one label, as the counts by several are."""
    return [((key,), count) for key, count in counts.items()]


class Buckets(Protocol):
    """What a histogram is written from: `counts` by `bounds`, one more than there are bounds."""

    @property
    def bounds(self) -> tuple[int, ...]: ...
    @property
    def counts(self) -> list[int]: ...
    @property
    def sum_us(self) -> int: ...


class Page:
    """The lines of a page; `common` labels stand on every sample."""

    def __init__(self, common: Labels) -> None:
        self._common = tuple(common)
        self._lines: list[str] = []

    def family(self, name: str, kind: str, help_text: str) -> None:
        self._lines += [f"# HELP {name} {_escaped(help_text)}", f"# TYPE {name} {kind}"]

    def sample(self, name: str, labels: Labels, value: str) -> None:
        told = ",".join(f'{key}="{_escaped(text, quote=True)}"' for key, text in (*labels, *self._common))
        self._lines.append(f"{name}{{{told}}} {value}")

    def counter(
        self,
        name: str,
        help_text: str,
        labels: tuple[str, ...],
        counts: Iterable[tuple[tuple[str, ...], int]],
        *,
        micros: bool = False,
    ) -> None:
        """One sample for each key, in order, so that two scrapes of the same counts are equal."""
        self.family(name, "counter", help_text)
        for key, count in sorted(counts):
            self.sample(name, tuple(zip(labels, key, strict=True)), usd_text(count) if micros else str(count))

    def histogram(self, name: str, help_text: str, histogram: Buckets) -> None:
        """A family of one histogram without labels."""
        self.family(name, "histogram", help_text)
        self.buckets(name, histogram, ())

    def buckets(self, name: str, histogram: Buckets, labels: Labels) -> None:
        """Buckets that include the smaller ones, sum and count."""
        total = 0
        bounds: Iterable[str] = (*(usd_text(bound) for bound in histogram.bounds), "+Inf")
        for bound, count in zip(bounds, histogram.counts, strict=True):
            total += count
            self.sample(f"{name}_bucket", (*labels, ("le", bound)), str(total))
        self.sample(f"{name}_sum", labels, usd_text(histogram.sum_us))
        self.sample(f"{name}_count", labels, str(total))

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"


def _escaped(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text

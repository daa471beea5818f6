"""A report as JSON: every figure in integers, as it was worked out, with its unit in its name."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from gateway.report.sections import empty_sentences
from gateway.report.summary import Cost, Ends, Figures, Summary


def to_json(summary: Summary) -> str:
    """The report's text."""
    return json.dumps(to_plain(summary), indent=2, ensure_ascii=False) + "\n"


def to_plain(summary: Summary) -> dict[str, Any]:
    """The report as JSON values."""
    plain: dict[str, Any] = {
        "object": "report",
        "baseline": {
            "route": summary.baseline,
            "input_usd_micros_per_mtok": summary.baseline_input_price,
            "output_usd_micros_per_mtok": summary.baseline_output_price,
            "catalogue_hash": summary.catalogue_hash,
            "catalogue_source": summary.catalogue_source,
        },
        "groups": [_group(figures) for figures in summary.groups],
    }
    return plain if summary.groups else {**plain, "empty": " ".join(empty_sentences())}


def _group(figures: Figures) -> dict[str, Any]:
    plain = asdict(figures)
    plain["simulated"] = plain.pop("is_simulated")
    plain["ends"] = _ends(figures.ends)
    plain["cost"] = _cost(figures.cost)
    plain["quality_estimate"] = {"success_ppm": plain.pop("quality_ppm"), "n": plain.pop("quality_n")}
    plain["refusals"] = dict(figures.refusals)
    return plain


def _ends(ends: Ends) -> dict[str, Any]:
    return {**asdict(ends), "judged": ends.judged, "success_ppm": ends.success_ppm}


def _cost(cost: Cost) -> dict[str, Any]:
    return {**asdict(cost), "saved_usd_micros": cost.saved_usd_micros, "saving_ppm": cost.saving_ppm}

"""`python -m bench.guard --data DIR`: what the guard finds, and what it takes for something it isn't.

DIR holds the public data sets named in docs/security.md, gzipped JSON lines. A file that is missing ends the run: a
rate that leaves something out is another rate. The injection rules were written with one half of the attacks in view
(every second row, from the first on), so the other half is the figure to go by. All other data was in view.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

from worker.guard.finding import find_all
from worker.guard.signals import THRESHOLD, injection_score
from worker.guard.span import KINDS

ATTACKS = "prompt_injection_purplellama_en.jsonl.gz"
PERSONAL = "pii_presidio_synth_v2.jsonl.gz"
#: Ordinary requests: file, the member that holds the text, which rows count.
ORDINARY = (
    ("clinc150_full.jsonl.gz", "text", lambda row: True),
    ("banking77.jsonl.gz", "text", lambda row: True),
    ("xstest_a.jsonl.gz", "prompt", lambda row: row["label"] == "safe"),
    ("task_prompts.jsonl.gz", "prompt", lambda row: True),
)
#: What Presidio's data calls the kinds that are looked for.
COVERED = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "US_SSN": "id",
    "IP_ADDRESS": "ip",
}


def main() -> None:
    """Measure everything and print it as the tables of docs/security.md."""
    options = argparse.ArgumentParser(prog="python -m bench.guard")
    options.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    folder: Path = options.parse_args().data
    missing = [name for name in (ATTACKS, PERSONAL, *(one[0] for one in ORDINARY)) if not (folder / name).is_file()]
    if missing:
        sys.exit(f"bench.guard: {folder} lacks {', '.join(missing)}; nothing was measured")
    attacks(rows_of(folder / ATTACKS))
    personal_data(rows_of(folder / PERSONAL))
    ordinary(folder)


def rows_of(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def attacks(rows: list[dict[str, Any]]) -> None:
    """The share of attacks that are signalled, by variant and by half."""
    hits = [injection_score(row["user_input"]) >= THRESHOLD for row in rows]
    print("| attacks | signalled | of | per cent |\n| --- | ---: | ---: | ---: |")
    line("half the rules were written with", hits[::2])
    line("the other half", hits[1::2])
    for variant in sorted({row["injection_variant"] for row in rows}):
        line(variant.replace("_", " "), [hit for hit, row in zip(hits, rows, strict=True) if is_of(row, variant)])
    print()


def is_of(row: dict[str, Any], variant: str) -> bool:
    return bool(row["injection_variant"] == variant)


def personal_data(rows: list[dict[str, Any]]) -> None:
    """The share of the marked entities that are covered to their last character, by entity type."""
    found: dict[str, list[bool]] = {}
    beside = 0
    for row in rows:
        spans = find_all(row["text"])
        for entity in row["spans"]:
            covered = all(
                any(span.start <= at < span.end for span in spans) for at in range(entity["start"], entity["end"])
            )
            found.setdefault(entity["type"], []).append(covered)
        marked = [(entity["start"], entity["end"]) for entity in row["spans"] if entity["type"] in COVERED]
        beside += sum(not any(start < span.end and span.start < end for start, end in marked) for span in spans)
    print("| entity | found whole | of | per cent |\n| --- | ---: | ---: | ---: |")
    for name in sorted(found, key=lambda name: (name not in COVERED, name)):
        line(name, found[name])
    print(f"\n{beside} findings beside any entity of the covered types, in {len(rows)} texts\n")


def ordinary(folder: Path) -> None:
    """The share of ordinary requests that are signalled, and what it costs to look."""
    print("| ordinary requests | texts | injection signals | per cent | with personal data | us per text |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, member, counts in ORDINARY:
        texts = [row[member] for row in rows_of(folder / name) if counts(row)]
        began = time.perf_counter()
        signalled = sum(injection_score(text) >= THRESHOLD for text in texts)
        personal = sum(bool(find_all(text, KINDS)) for text in texts)
        each_us = (time.perf_counter() - began) / len(texts) * 1e6
        shown = name.removesuffix(".jsonl.gz")
        rate = per_cent(signalled, len(texts))
        print(f"| {shown} | {len(texts):,} | {signalled} | {rate} | {personal} | {each_us:.0f} |")


def line(name: str, hits: list[bool]) -> None:
    print(f"| {name} | {sum(hits)} | {len(hits)} | {per_cent(sum(hits), len(hits))} |")


def per_cent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "-"


if __name__ == "__main__":
    main()

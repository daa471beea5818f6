"""`python -m bench.covenant`: 100,000 generated covenants are read without a fault, and what 300 characters cost.

Beside it stands a plain `re.findall` of the same words: the least any reader of words can do.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import time

from worker.covenant.reader import read_covenant
from worker.covenant.vocabulary import PHRASES
from worker.covenant.vocabulary_abroad import ABROAD
from worker.covenant.vocabulary_asked import ASKED
from worker.covenant.vocabulary_flagged import FLAGGED
from worker.covenant.vocabulary_tasks import TASKS

CHARACTERS = 300
_WORD = re.compile(r"[A-Za-z]+|[0-9][0-9.,]*|[^\sA-Za-z0-9]")
_AMOUNTS = (
    "$5",
    "20 cents",
    "€2,80",
    "1.250,00 EUR",
    "30s",
    "2h15m",
    "half an hour",
    "a few dollars",
    "5-10 seconds",
    "٢ dollars",
)
_MARKS = (", ", ". ", "; ", " and ", " ", " - ", ": ", "\n", " (", ") ", '"', "!", "?")


def main() -> None:
    """Read the generated texts, then time texts of exactly 300 characters against the floor."""
    options = argparse.ArgumentParser(prog="python -m bench.covenant")
    options.add_argument("--texts", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    chance = random.Random(chosen.seed)
    phrases = [phrase for _, _, row in (*PHRASES, *ASKED, *FLAGGED, *TASKS, *ABROAD) for phrase in row.split("|")]
    began = time.perf_counter()
    flagged = 0
    for _ in range(chosen.texts):
        flagged += bool(read_covenant(generated(chance, phrases, chance.randrange(120))).policy.flags)
    print(f"{chosen.texts} texts read in {time.perf_counter() - began:.1f} s, {flagged} of them flagged, none failed")
    texts = [generated(chance, phrases, CHARACTERS, noise=False)[:CHARACTERS] for _ in range(1_000)]
    reading = [best_of_three(read_covenant, text) for text in texts]
    floor = [best_of_three(_WORD.findall, text) for text in texts]
    median, least = statistics.median(reading), statistics.median(floor)
    print(
        f"{CHARACTERS} characters: median {median * 1e3:.3f} ms, 99th percentile {percentile(reading, 99) * 1e3:.3f} ms"
    )
    print(f"re.findall of the same words: median {least * 1e3:.4f} ms; ratio {median / least:.0f}")


def generated(chance: random.Random, phrases: list[str], length: int, noise: bool = True) -> str:
    """A text of at least `length` characters: phrases of the vocabulary, amounts, marks, and random code points."""
    parts: list[str] = []
    size = 0
    while size < length:
        kind = chance.random()
        if kind < 0.25:
            part = chance.choice(_AMOUNTS)
        elif kind < 0.75 or not noise:
            part = chance.choice(phrases)
        else:
            part = "".join(chr(chance.choice((chance.randrange(0x250), chance.randrange(0x11000)))) for _ in range(3))
        parts += [part, chance.choice(_MARKS)]
        size += len(part) + len(parts[-1])
    return "".join(parts)


def best_of_three(function: object, text: str) -> float:
    """The shortest of three runs in seconds: what the work costs without what else the machine does."""
    assert callable(function)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        function(text)
        times.append(time.perf_counter() - began)
    return min(times)


def percentile(values: list[float], per_cent: int) -> float:
    """The value that so many per cent of the values do not exceed."""
    return sorted(values)[len(values) * per_cent // 100]


if __name__ == "__main__":
    main()

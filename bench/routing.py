"""How much of a larger model's gain the classifier's order recovers, beside the prompt's length alone.

    python -m bench.routing --data FOLDER                 the three published tests
    python -m bench.routing --data FOLDER --ablation      each group of counts taken away; --with-tests: there too
    python -m bench.routing --data FOLDER --learn         corrections learned from 500 and 1,500 labelled MMLU questions

FOLDER holds the routing data (wasm_classifier/MODEL_CARD.md names the files). Whatever reads a test is a look at it and
gets a line in the card's table of looks; nothing may be chosen by it. Needs numpy and pandas with pyarrow.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from wasm_classifier.correction import columns, shift_of, shifted_ppm
from wasm_classifier.features import Features, extract
from wasm_classifier.learn import Outcome, learn
from wasm_classifier.reference import MATH_PPM, MODEL_VERSION, WEIGHTS, p_small_fails_ppm, task_of
from wasm_classifier.train import STRONG, WEAK, gain_recovered, say, strict_rows

Frame = Any
SEED: Final = 0
RESAMPLES: Final = 200
LABELLED: Final = (500, 1_500)
DRAWS: Final = 5
TESTS: Final = ("mmlu", "gsm8k", "mtbench")
PPM: Final = 1_000_000


class Rows(NamedTuple):
    """One set of prompts with how well the two models did on each."""

    name: str
    prompts: list[str]
    weak: Frame
    strong: Frame


def read_test(data: Path, name: str) -> Rows:
    """One published test; of MT-bench the mean of both turns."""
    table = pd.read_parquet(data / f"routellm_{name}.parquet")
    if name != "mtbench":
        return Rows(name, table.prompt.tolist(), table.weak_correct, table.strong_correct)
    weak, strong = (table[[f"{side}_score_t1", f"{side}_score_t2"]].mean(axis=1) for side in ("weak", "strong"))
    return Rows(name, table.prompt.tolist(), weak, strong)


def read_strict(data: Path) -> Iterator[Rows]:
    """The training rows that share nothing with a test, by category; the mean of the strong models."""
    strict = strict_rows(data)
    for name in sorted(strict.category.unique()):
        rows = strict[strict.category == name].reset_index(drop=True)
        yield Rows(name, rows.prompt.tolist(), rows[WEAK], rows[list(STRONG)].mean(axis=1))


def scored(prompts: list[str], score: Callable[[Features], int] = p_small_fails_ppm) -> Frame:
    """The score of each prompt."""
    return np.array([score(extract(prompt.encode())) for prompt in prompts], float)


def lengths(prompts: list[str]) -> Frame:
    """The characters of each prompt."""
    return np.array([len(prompt) for prompt in prompts], float)


def intervals(rows: Rows, ours: Frame, length: Frame) -> tuple[Frame, Frame]:
    """95 of 100 resamples lie between these: ours, and ours less the length's."""
    chance, found = np.random.default_rng(1), []
    for _ in range(RESAMPLES):
        at = chance.integers(0, len(ours), len(ours))
        weak, strong = rows.weak.iloc[at], rows.strong.iloc[at]
        mine, theirs = (gain_recovered(score[at], weak, strong) for score in (ours, length))
        found.append((mine, mine - theirs))
    ends = np.percentile(found, [2.5, 97.5], axis=0)
    return ends[:, 0], ends[:, 1]


def show_tests(data: Path) -> None:
    """The headline: every test, ours beside the length's."""
    say(f"| test | {MODEL_VERSION} | prompt length only | difference |\n| --- | --- | --- | --- |")
    for name in TESTS:
        rows = read_test(data, name)
        ours, length = scored(rows.prompts), lengths(rows.prompts)
        found = [gain_recovered(score, rows.weak, rows.strong) for score in (ours, length)]
        own, less = intervals(rows, ours, length)
        say(
            f"| {name}, {len(ours):,} | {found[0]:.4f} ({own[0]:.3f} to {own[1]:.3f}) | {found[1]:.4f} | "
            f"{found[0] - found[1]:+.4f} ({less[0]:+.3f} to {less[1]:+.3f}) |"
        )


def show_ablation(data: Path, with_tests: bool) -> None:
    """The score without each group: the mean of the strict categories, and the tests if asked for."""
    sets = list(read_strict(data))
    tests = [read_test(data, name) for name in TESTS] if with_tests else []
    say(f"| without | strict rows, mean of {len(sets)} |{''.join(f' {rows.name} |' for rows in tests)}")
    say(f"| --- | --- |{' --- |' * len(tests)}")
    counted = {rows.name: [extract(prompt.encode()) for prompt in rows.prompts] for rows in (*sets, *tests)}

    def line(name: str, score: Callable[[Features], int]) -> None:
        found = {
            rows.name: gain_recovered(np.array([score(one) for one in counted[rows.name]], float), *rows[2:])
            for rows in (*sets, *tests)
        }
        mean = np.mean([found[rows.name] for rows in sets])
        say(f"| {name} | {mean:.3f} |{''.join(f' {found[rows.name]:.3f} |' for rows in tests)}")

    line("nothing", p_small_fails_ppm)
    for name, without in ABLATIONS.items():
        line(name, without)
    line("everything: prompt length only, in bytes", lambda features: features.byte_count)


def _less(**values: int) -> Callable[[Features], int]:
    return lambda features: p_small_fails_ppm(features._replace(**values))


def _no_joint(features: Features) -> int:
    return p_small_fails_ppm(features._replace(choice_word_count=features.distinct_choice_word_count))


def _no_figures(features: Features) -> int:
    """Choices in figures count as words do, their repeated words not."""
    if features.numeric_choice_count < 2:
        return p_small_fails_ppm(features)
    return _no_joint(features._replace(numeric_choice_count=0))


def _no_mathematics(features: Features) -> int:
    is_counted = features.choice_count < 2 and task_of(features) == "math"
    return p_small_fails_ppm(features) - MATH_PPM * is_counted


ABLATIONS: Final[dict[str, Callable[[Features], int]]] = {
    "statement words": _less(statement=0),
    "quantities of the stem": _less(stem_quantity_count=0),
    "repeated words of the choices": _no_joint,
    "choices in figures counting double": _no_figures,
    "the shortest choice": _less(shortest_choice_bytes=0),
    "pasted lines counting a quarter": _less(pasted_bytes=0),
    "the terms of an instruction": _less(question_count=0, **{name: 0 for name, _, _ in WEIGHTS}),
    "the constant for mathematics": _no_mathematics,
}


def show_learning(data: Path) -> None:
    """Corrections from labelled MMLU questions, which are then no part of the test; the mean of DRAWS draws."""
    rows = read_test(data, "mmlu")
    outcomes = [
        Outcome(prompt.encode(), PPM * int(weak), PPM * int(strong))
        for prompt, weak, strong in zip(rows.prompts, rows.weak, rows.strong, strict=True)
    ]
    counts = [extract(outcome.text) for outcome in outcomes]
    values = [columns(features) for features in counts]
    base = [p_small_fails_ppm(features) for features in counts]
    length = lengths(rows.prompts)
    say(f"| labelled | prompt length | {MODEL_VERSION} | always corrected | where it may be | draws it may be |")
    say("| --- | --- | --- | --- | --- | --- |")
    for labelled in LABELLED:
        found = []
        for draw in range(DRAWS):
            order = np.random.default_rng(draw).permutation(len(outcomes))
            report = learn([outcomes[at] for at in order[:labelled]])
            rest = order[labelled:]
            corrected = np.array([shifted_ppm(base[at], shift_of(report.correction, values[at])) for at in rest], float)
            scores = (length[rest], np.array([base[at] for at in rest], float), corrected)
            gains = [gain_recovered(score, rows.weak.iloc[rest], rows.strong.iloc[rest]) for score in scores]
            found.append((*gains, gains[2] if report.is_better else gains[1], report.is_better))
        mean, spread = np.mean(found, axis=0), np.std(found, axis=0)
        cells = " | ".join(f"{value:.4f} (sd {sd:.4f})" for value, sd in zip(mean[:4], spread[:4], strict=True))
        say(f"| {labelled:,} | {cells} | {int(mean[4] * DRAWS + 0.5)} of {DRAWS} |")


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.routing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of the routing data")
    parser.add_argument("--ablation", action="store_true", help="take each group of counts away")
    parser.add_argument("--with-tests", action="store_true", help="with --ablation: on the tests too, which is a look")
    parser.add_argument("--learn", action="store_true", help="learn from labelled MMLU questions, which is a look")
    options = parser.parse_args()
    if options.ablation:
        show_ablation(options.data, options.with_tests)
    if options.learn:
        show_learning(options.data)
    if not options.ablation and not options.learn:
        show_tests(options.data)


if __name__ == "__main__":
    main()

"""Fits the scorer: `python -m wasm_classifier.train --data FOLDER [--check | --write]`.

Reads the training files of FOLDER and nothing else, prints how each fitted part does on tasks it was not fitted on.
With --write it stores `weights.py` and `domain_table.py` beside this file; with --check it says whether those in force
are what it fitted, and the exit status is 1 if not. Needs numpy and pandas with pyarrow; no part of the product imports
it. Everything is least squares and counting: there is no chance in it but the seed that parts ties.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from wasm_classifier import reference
from wasm_classifier.choices import is_worded
from wasm_classifier.domain import DOMAINS
from wasm_classifier.features import WINDOW_BYTES, Features, extract, words_of

Frame = Any
SEED: Final = 0
#: The weak model of the published routing runs, and strong ones whose successes are averaged to be less noisy. A fourth
#: large model of those rows, Qwen1.5-72B, is hardly better than the weak one: there is no gain of it to order.
WEAK: Final = "ok_mixtral_8x7b_instruct_v0_1"
STRONG: Final = (
    "ok_gemini_1_5_pro_002",
    "ok_meta_llama_3_1_70b_instruct",
    "ok_gemini_1_5_flash_002",
)
#: Small models of the other outcome file.
SMALL_ROUTED: Final = ("score_mistral_7b_instruct_v0_3", "score_gemma_2_9b_it", "score_llama_3_1_8b_instruct")
#: What may be added to the squares of the three standardised columns, so that the length stays the backbone: the one
#: that predicts best on categories left out is taken.
RIDGES: Final = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)
EXTRA: Final = ("statement", "quantity", "joint")
#: Categories with fewer worded questions are not predicted when ridges are compared.
WORDED_LEAST: Final = 10
#: The one number set by judgement: of what is seen of questions with choices in figures a quarter is believed. Those
#: outcomes were worked out on paper, step by step, which helps there and is not how every caller asks.
NUMERIC_SHARE: Final = 0.25
TEXT_FILES: Final = (
    "task_prompts",
    "arena_hard_lengths_train",
    "clinc150_full",
    "banking77",
    "xstest_a",
    "pii_presidio_synth_v2",
)
PERSONAL_KINDS: Final = ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "US_SSN", "IBAN_CODE", "IP_ADDRESS")
DOMAIN_WORDS: Final = 1_500
DOMAIN_WORD_ROWS: Final = 8
SMOOTHING: Final = 0.3


def main() -> int:
    """Fit, print, and store or compare if asked to; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rows = pd.read_parquet(options.data / "mmlupro_outcomes_train.parquet")
    strict = strict_rows(options.data)
    fitted = fit_length(strict)
    say(f"halves of the exponents (statement, quantity, joint) and the factor of choices in figures: {fitted}")
    folder = Path(__file__).parent
    made = {
        "weights.py": weights_text(*fitted),
        "domain_table.py": domain_text(fit_domains(rows.prompt.tolist(), rows.category.to_numpy())),
    }
    if options.check:
        say(f"on {machine()}")
        same = {name: (folder / name).read_text() == text for name, text in made.items()}
        say(
            "\n".join(
                f"{name}: {'as committed' if equal else 'ANOTHER than committed'}" for name, equal in same.items()
            )
        )
        return 0 if all(same.values()) else 1
    report(options.data, strict, rows)
    if options.write:
        for name, text in made.items():
            (folder / name).write_text(text)
    return 0


def machine() -> str:
    """The processor and the versions that a fit depends on."""
    told = dict(line.partition(":")[::2] for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines())
    parts = {key.strip(): value.strip() for key, value in told.items()}
    cpu = f"{parts.get('model name', '')} family {parts.get('cpu family', '')} model {parts.get('model', '')}"
    return f"{cpu}, CPython {platform.python_version()}, numpy {np.__version__}, pandas {pd.__version__}"


def strict_rows(data: Path) -> Frame:
    """The outcomes of questions that share nothing with a test."""
    rows = pd.read_parquet(data / "mmlupro_outcomes_train.parquet")
    return rows[~rows.in_mmlu].reset_index(drop=True)


def say(line: str) -> None:
    """Write one line of the report."""
    sys.stdout.write(line + "\n")


def columns(rows: list[Features]) -> Frame:
    """The backbone and what multiplies it, as base-two logarithms; `worded` says which row has choices in words."""
    out = []
    for features in rows:
        own = features.stem_bytes + 4 * features.shortest_choice_bytes - features.pasted_bytes * 3 // 4
        words, distinct = features.choice_word_count, max(features.distinct_choice_word_count, 1)
        out.append(
            {
                "length": np.log2(max(own, 0) + 1),
                "statement": np.log2(features.statement + 1),
                "quantity": np.log2(min(features.stem_quantity_count, reference.QUANTITY_LIMIT) + 1),
                "joint": np.log2(min(max(words / distinct, 1), 16)),
                "worded": is_worded(features.choice_count, features.numeric_choice_count),
            }
        )
    return pd.DataFrame(out)


def fit_length(strict: Frame, left_out: str | None = None) -> tuple[tuple[int, int, int], int]:
    """Exponents in halves and the factor of choices in figures, from how often only the strong models are right.

    Args:
        strict: outcome rows without any that overlaps a test.
        left_out: a category not to look at, neither for the ridge nor for anything else.
    """
    kept = strict[strict.category != left_out]
    table = columns([extract(prompt.encode()) for prompt in kept.prompt])
    gain = (kept[list(STRONG)].mean(axis=1) - kept[WEAK]).to_numpy(float)
    group, worded = kept.category.to_numpy(), table.worded.to_numpy()
    names = [name for name in np.unique(group) if (worded & (group == name)).sum() >= WORDED_LEAST]
    errors = [sum(missed(table, gain, group, name, ridge) for name in names) for ridge in RIDGES]
    ridge = RIDGES[int(np.argmin(errors))]
    slope, found = solve(table, gain, group, worded, ridge)
    halves = tuple(max(0, int(np.floor(2 * value + 0.5))) for value in found / slope)
    bits = figures_bits(table, gain, group, slope)
    if left_out is None:
        say(f"ridge {ridge:.0f}, slope of the gain per doubling {slope:.4f}; exponents {(found / slope).round(3)}")
        say(f"choices in figures gain as if {bits:.2f} times doubled, {NUMERIC_SHARE} of it is believed")
    return (halves[0], halves[1], halves[2]), 2 ** max(0, int(np.floor(NUMERIC_SHARE * bits + 0.5)))


def solve(table: Frame, gain: Frame, group: Frame, kept: Frame, ridge: float) -> tuple[float, Frame]:
    """The gain of a doubling of the length, and what each of EXTRA adds to it, within categories of the kept rows."""
    length, target = (centred(values, group, kept) for values in (table.length.to_numpy(), gain))
    slope = float(length @ target / (length @ length))
    extra = np.stack([centred(table[name].to_numpy(), group, kept) for name in EXTRA], axis=1)
    scale = extra.std(axis=0)
    unit = extra / scale
    squares = unit.T @ unit + ridge * np.eye(len(EXTRA))
    return slope, np.linalg.solve(squares, unit.T @ (target - slope * length)) / scale


def missed(table: Frame, gain: Frame, group: Frame, name: str, ridge: float) -> float:
    """The squared error on the worded questions of one category, fitted without it."""
    worded = table.worded.to_numpy()
    slope, found = solve(table, gain, group, worded & (group != name), ridge)
    held = worded & (group == name)
    told = slope * table.length[held].to_numpy() + table[list(EXTRA)][held].to_numpy() @ found
    return float(np.sum((gain[held] - gain[held].mean() - told + told.mean()) ** 2))


def centred(values: Frame, group: Frame, kept: Frame) -> Frame:
    """The kept values less their group's mean."""
    series = pd.Series(values[kept])
    return (series - series.groupby(group[kept]).transform("mean")).to_numpy()


def figures_bits(table: Frame, gain: Frame, group: Frame, slope: float) -> float:
    """By how many doublings of the length questions with choices in figures gain more than worded ones."""
    total = weight = 0.0
    for name in np.unique(group):
        worded = (group == name) & table.worded.to_numpy()
        figures = (group == name) & ~table.worded.to_numpy()
        if worded.sum() and figures.sum():
            size = 1 / (1 / worded.sum() + 1 / figures.sum())
            longer = table.length[figures].mean() - table.length[worded].mean()
            total += size * (gain[figures].mean() - gain[worded].mean() - slope * longer)
            weight += size
    return total / weight / slope


def spelled_words(text: str) -> set[bytes]:
    """The different words of three ASCII letters or more."""
    words = set(words_of(text.encode()[:WINDOW_BYTES]))
    return {word for word in words if len(word) > 2 and word.isascii() and word.isalpha()}


def fit_domains(prompts: list[str], labels: Frame) -> dict[bytes, tuple[int, ...]]:
    """A weight from 0 to 15 of each word for each domain: naive Bayes over different words, cut to four bits."""
    found = [spelled_words(prompt) for prompt in prompts]
    rows: dict[bytes, Frame] = {}
    for words, label in zip(found, labels, strict=True):
        at = DOMAINS.index(label)
        for word in words:
            rows.setdefault(word, np.zeros(len(DOMAINS)))[at] += 1
    names = sorted(word for word, row in rows.items() if row.sum() >= DOMAIN_WORD_ROWS)
    seen = np.stack([rows[word] for word in names])
    share = np.log((seen + SMOOTHING) / (seen.sum(axis=0) + SMOOTHING * len(names)))
    share -= share.mean(axis=1, keepdims=True)
    value = share.std(axis=1) * np.sqrt(seen.sum(axis=1))
    best = sorted(np.argsort(-value, kind="stable")[:DOMAIN_WORDS].tolist())
    cut = np.clip(np.floor(share[best] * 2.5 + 7.5), 0, 15).astype(int)
    return {names[place]: tuple(row.tolist()) for place, row in zip(best, cut, strict=True)}


def report(data: Path, strict: Frame, rows: Frame) -> None:
    """Print every part's figure on rows it was not fitted on, and its trivial baseline's."""
    say(f"{'category left out':20} halves, factor  length  fitted without  committed  (APGR, mean of strong models)")
    totals = []
    for name in sorted(strict.category.unique()):
        halves, factor = fit_length(strict, name)
        held = strict[strict.category == name]
        texts = [prompt.encode() for prompt in held.prompt]
        plain = np.array([len(prompt) for prompt in held.prompt], float)
        fitted = np.array([effective(extract(text), halves, factor) for text in texts])
        committed = np.array([reference.classify(text).p_small_fails_ppm for text in texts], float)
        strong = held[list(STRONG)].mean(axis=1)
        found = [gain_recovered(score, held[WEAK], strong) for score in (plain, fitted, committed)]
        totals.append(found)
        say(f"{name:20} {halves}, {factor:2}   {found[0]:.3f}   {found[1]:.3f}   {found[2]:.3f}")
    say(f"{'mean':34} {np.mean(totals, axis=0).round(3)}")
    report_domains(rows)
    report_classes(data, strict)
    report_texts(data)


def effective(features: Features, halves: tuple[int, int, int], factor: int) -> float:
    """`reference.effective_bytes` with other weights and without rounding."""
    row = columns([features]).iloc[0]
    if features.choice_count > 1 and not row.worded:
        return float(2**row.length * factor)
    bits = row.length + halves[0] / 2 * row.statement
    return float(2 ** (bits + (halves[1] / 2 * row.quantity + halves[2] / 2 * row.joint if row.worded else 0)))


def gain_recovered(score: Frame, weak: Frame, strong: Frame) -> float:
    """APGR as in arXiv 2406.18665: thresholds at the deciles, trapezoids; ties parted by chance."""
    score = score + 1e-6 * np.random.default_rng(SEED).random(len(score))
    low, high = weak.to_numpy(float), strong.to_numpy(float)
    marks = np.unique(np.quantile(score, np.linspace(0, 1, 11)))
    sent = [score >= mark if mark < marks[-1] else score > mark for mark in marks]
    share = np.array([up.mean() for up in sent])[::-1]
    quality = np.array([np.where(up, high, low).mean() for up in sent])[::-1]
    area = float(np.sum((quality[1:] + quality[:-1]) / 2 * np.diff(share)))
    return float((area - low.mean()) / (high.mean() - low.mean()))


def report_classes(data: Path, strict: Frame) -> None:
    """How often small models fail in each class, beside classes of the same sizes made by the prompt's length alone."""
    routed = pd.read_parquet(data / "llmrouter_outcomes_train.parquet")
    routed = routed[~routed.test_overlap]
    texts = [*strict.prompt, *routed.prompt]
    fails = np.concatenate([1 - strict[WEAK].to_numpy(float), 1 - routed[list(SMALL_ROUTED)].mean(axis=1)])
    classes = np.array([reference.classify(text.encode()).complexity for text in texts])
    by_length = np.argsort([len(text) for text in texts], kind="stable")
    begin = 0
    for name in ("simple", "moderate", "complex"):
        held = classes == name
        alike = by_length[begin : begin + held.sum()]
        begin += held.sum()
        say(
            f"{name}: {held.sum()} texts, small ones fail {fails[held].mean():.3f}, by length {fails[alike].mean():.3f}"
        )


def report_domains(rows: Frame) -> None:
    """Five parts, each judged by a table of the other four; questions that begin alike stay together."""
    part = rows.prompt.str.slice(0, 60).factorize()[0] % 5
    labels, right = rows.category.to_numpy(), 0
    for number in range(5):
        table = fit_domains(rows.prompt[part != number].tolist(), labels[part != number])
        for prompt, label in zip(rows.prompt[part == number], labels[part == number], strict=True):
            known = [table[word] for word in spelled_words(prompt) if word in table]
            sums = np.sum(known, axis=0) if len(known) > 1 else np.zeros(len(DOMAINS))
            right += DOMAINS[int(np.argmax(sums))] == label
    most = rows.category.value_counts(normalize=True).iloc[0]
    say(f"domain: {right / len(rows):.3f} right, most frequent alone {most:.3f}")


def report_texts(data: Path) -> None:
    """Task kinds, answer lengths and personal data, by the committed integers."""
    read = {name: pd.read_json(data / f"{name}.jsonl.gz", lines=True, dtype=False) for name in TEXT_FILES}
    tasks, arena = read["task_prompts"], read["arena_hard_lengths_train"]
    kinds = {name: rows.prompt for name, rows in tasks.groupby("source")}
    kinds |= {"CLINC150": read["clinc150_full"].text, "Banking77": read["banking77"].text, "Arena-Hard": arena.prompt}
    kinds |= {"XSTest": read["xstest_a"].prompt}
    for name, texts in kinds.items():
        scores = [reference.classify(text.encode()) for text in texts]
        share = pd.Series([score.task for score in scores]).value_counts(normalize=True).round(3).to_dict()
        classes = pd.Series([score.complexity for score in scores]).value_counts().to_dict()
        personal = sum(score.personal_data for score in scores)
        say(f"{name}: {len(scores)} texts, task {share}, class {classes}, personal data {personal}")
    for name, rows, real in [
        ("Arena-Hard, GPT-4-0613", arena, arena.tokens_gpt_4_0613),
        *[(source, rows, rows.output_chars) for source, rows in tasks.groupby("source")],
    ]:
        expected = [reference.classify(text.encode()).expected_output_tokens for text in rows.prompt]
        both = (pd.Series(expected), pd.Series(rows.prompt.str.len().to_list()))
        ranks = [value.corr(real.reset_index(drop=True), method="spearman") for value in both]
        say(f"answer length, {name}: rank correlation {ranks[0]:.2f}, of the prompt's length {ranks[1]:.2f}")
    texts = read["pii_presidio_synth_v2"]
    for label, kept in [("with", True), ("without any", False)]:
        held = [is_pointed(spans) if kept else not spans for spans in texts.spans]
        found = [reference.classify(text.encode()).personal_data for text in texts.text[held]]
        digit = texts.text[held].str.contains("[0-9]", regex=True)
        say(f"personal data, {len(found)} texts {label}: found {np.mean(found):.3f}, a digit alone {digit.mean():.3f}")


def is_pointed(spans: list[dict[str, Any]]) -> bool:
    """Whether a labelled text holds one of the kinds looked for."""
    return any(span["type"] in PERSONAL_KINDS for span in spans)


def weights_text(halves: tuple[int, int, int], factor: int) -> str:
    """The source of `weights.py`."""
    return f'''"""Fitted numbers of the scorer, written by `python -m wasm_classifier.train`; not edited by hand."""

from __future__ import annotations

from typing import Final

#: Halves of the exponents that a question's length is multiplied with.
STATEMENT_HALVES: Final = {halves[0]}
QUANTITY_HALVES: Final = {halves[1]}
JOINT_HALVES: Final = {halves[2]}
#: Whole factors.
CHOICE_BYTES_FACTOR: Final = 4
NUMERIC_CHOICES_FACTOR: Final = {factor}
'''


def domain_text(table: dict[bytes, tuple[int, ...]]) -> str:
    """The source of `domain_table.py`."""
    words = " ".join(word.decode("ascii") for word in table).split(" ")
    digits = "".join(f"{weight:x}" for row in table.values() for weight in row)
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) + 8 > 119:
            lines.append(line)
            line = ""
        line += word + " "
    lines.append(line)
    body = "\n".join(f'    "{text}"' for text in lines)
    code = "\n".join(f'    "{digits[at : at + 112]}"' for at in range(0, len(digits), 112))
    return f'''"""Words that tell a subject, written by `python -m wasm_classifier.train`; not edited by hand.

Of each word, in the order of WORDS, one hexadecimal digit for each domain in the order of `domain.DOMAINS`.
"""

from __future__ import annotations

from typing import Final

WORDS: Final = (
{body}
)
DIGITS: Final = (
{code}
)
'''


if __name__ == "__main__":
    sys.exit(main())

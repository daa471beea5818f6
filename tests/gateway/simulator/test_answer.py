"""An answer is worked out from its prompt: the same everywhere, another for another text, and never a crash."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.answer import answer
from gateway.simulator.arithmetic import UnreadableExpression, evaluate, find_expression, to_text
from gateway.simulator.prompt import split_request
from gateway.simulator.sentence import sentences, terms
from gateway.simulator.tokens import MESSAGE_TOKENS, PART_TOKENS, count_tokens, cut_to_tokens, split_pieces
from tests.gateway.simulator.simulator_kit import LEASE

ROOT = Path(__file__).parents[3]


def ask(text: str) -> str:
    return answer([{"role": "user", "content": text}]).text


GOLDEN = [
    ("Name three primary colours.", "Red, yellow and blue."),
    ("List 5 planets", "Mercury, Venus, Earth, Mars and Jupiter."),
    ("Name a fruit", "Apple."),
    ("What are the days of the week?", "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday."),
    (
        "Name 9 planets",
        "Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus and Neptune. "
        "There are only 8 of them on the simulator's list.",
    ),
    ("What is 12*(3+4)?", "12 * (3 + 4) = 84"),
    ("what's 15% of 80", "15% * 80 = 12"),
    ("Hi. What is 10 plus 5 times 2?", "10 + 5 * 2 = 20"),
    ("Calculate 1/3", "1 / 3 = about 0.333333"),
    ("Compute 0.1 + 0.2", "0.1 + 0.2 = 0.3"),
    ("Calculate 7 divided by 0", "7 / 0 has no value here: it divides by zero."),
    ("How many r's are in strawberry?", 'The letter "r" occurs 3 times in "strawberry".'),
    ("How many times does the letter s appear in 'Mississippi'?", 'The letter "s" occurs 4 times in "Mississippi".'),
    ("How many words are in this sentence: the cat sat on the mat", '"the cat sat on the mat" has 6 words.'),
    ("How many sentences does this text have?\n" + LEASE, "The text has 8 sentences."),
    ("How often is Northwind mentioned?\n" + LEASE, '"Northwind" occurs 3 times in the text.'),
    ("How many planets are there?", "There are 8: Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus and Neptune."),
    ("Say hello", "hello"),
    ("Reply with only the word OK", "OK"),
    ("Reverse the word gateway", "yawetag"),
    ("Sort these numbers: 3, 11, 2.5", "2.5, 3, 11"),
    ("Convert this to uppercase: hello world", "HELLO WORLD"),
    ("What is a vGPU?", "A vGPU is a share of a physical GPU that one tenant sees as a device of its own."),
    ("what does TTFT mean", "Time to first token is how long a client waits before a streamed answer begins."),
    ("What is the capital of France?", "The capital of France is Paris."),
    (
        "Summarise this: " + LEASE,
        "The lease between Northwind and the city runs for ten years. "
        "The deposit of $40,000 is lost if Northwind leaves before year five.",
    ),
    (
        LEASE + "\n\nWhat are the top 3 risks?",
        "1. If a payment is late by more than thirty days, the city may terminate the lease.\n"
        "2. The roof was last repaired in 2009 and may fail in a storm.\n"
        "3. The deposit of $40,000 is lost if Northwind leaves before year five.",
    ),
    (
        LEASE + " When can the city terminate the lease?",
        "If a payment is late by more than thirty days, the city may terminate the lease.",
    ),
    (
        f'How much is the deposit?\n"""{LEASE}"""',
        "The deposit of $40,000 is lost if Northwind leaves before year five.",
    ),
    (
        "Résumez ce texte: Le bail dure dix ans. Le loyer du bail augmente. La ville résilie le bail.",
        "Le bail dure dix ans.",
    ),
]


@pytest.mark.parametrize(("prompt", "expected"), GOLDEN, ids=[prompt[:40] for prompt, _ in GOLDEN])
def test_the_answer_comes_out_of_the_prompt(prompt: str, expected: str) -> None:
    assert ask(prompt) == expected


def test_the_answers_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "import hashlib, sys; from gateway.simulator.answer import answer\n"
        "texts = sys.stdin.read().split('\\0')\n"
        "said = [answer([{'role': 'user', 'content': text}]).text for text in texts]\n"
        "print(hashlib.sha256('\\0'.join(said).encode()).hexdigest())"
    )
    texts = [*(prompt for prompt, _ in GOLDEN), LEASE, "Translate to French: good day", "Tell me a joke"]
    here = hashlib.sha256("\0".join(map(ask, texts)).encode()).hexdigest()
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
        run = subprocess.run(
            [sys.executable, "-c", code],
            input="\0".join(texts),
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
        )
        assert run.stdout.strip() == here


DOCUMENTS = [
    LEASE,
    "The pump failed twice in March. Its seal must be replaced by Friday. A new seal costs $300. If it breaks again, "
    "the plant stops and a penalty of $9,000 is due.",
    "Our trial ran for six weeks with forty patients. Pain decreased by half. Two patients left because of nausea. "
    "The result may not hold for children.",
    "The bridge opens in May. Delays may cost the county two million. Steel prices rise every month. The toll is "
    "agreed until 2031.",
    "Der Vertrag endet im Mai. Die Miete steigt jedes Jahr. Der Mieter zahlt die Reparatur.",
    "Договор заканчивается в мае. Арендная плата растёт каждый год. Ремонт платит арендатор.",
    "契約は五月に終わる。家賃は毎年上がる。修理は借主が払う。",
]


@pytest.mark.parametrize(
    "request_",
    ["Summarise this text.", "What are the top 2 risks?", "List the key points.", "Translate this.", "How many words?"],
)
def test_another_text_gets_another_answer(request_: str) -> None:
    answers = [ask(f"{request_}\n\n{document}") for document in DOCUMENTS]
    assert len(set(answers)) == len(DOCUMENTS)


def test_an_extract_says_only_what_the_text_says() -> None:
    for document in DOCUMENTS:
        said = ask(f"Summarise in two sentences:\n\n{document}")
        assert all(sentence in document for sentence in sentences(said))
        assert len(sentences(said)) == 2


def test_a_question_is_answered_from_earlier_messages() -> None:
    messages = [
        {"role": "system", "content": "You help with leases. The help desk closes at six."},
        {"role": "user", "content": f"Here is a contract. {LEASE}"},
        {"role": "assistant", "content": "Thank you. What would you like to know?"},
        {"role": "user", "content": "How much is the deposit?"},
    ]
    assert answer(messages).text == "The deposit of $40,000 is lost if Northwind leaves before year five."
    messages[-1] = {"role": "user", "content": "When does the help desk close?"}
    assert answer(messages).text == "The help desk closes at six."
    messages[-1] = {"role": "user", "content": "Summarise it in one sentence."}
    assert answer(messages).text in LEASE


def test_a_tool_result_is_passed_on() -> None:
    messages: list[dict[str, object]] = [
        {"role": "user", "content": "What is the weather in Paris?"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "x", "content": '{"sky": "clear"}'},
    ]
    assert answer(messages).text == 'The tool answered: {"sky": "clear"}'


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("Translate to French: good morning", "it can't translate"),
        ("Write a poem about the sea.", "it can't make up a text"),
        ("Who won the match?", "it can't answer this"),
        (LEASE, "it can only describe what you send"),
        ("", "it can only describe what you send"),
        ("中国的首都是什么？", "it can't answer this"),
    ],
)
def test_what_it_cannot_do_it_says_and_how_to_connect_a_model(prompt: str, reason: str) -> None:
    said = ask(prompt)
    assert f"there is no model behind it, so {reason}." in said
    assert "HOSTED_AI_BASE_URL" in said


def test_the_frank_answer_tells_what_it_saw() -> None:
    said = ask(LEASE + " Who is the president of Peru?")
    assert "89 words in 9 sentences, mostly about northwind, city and lease" in said
    assert 'It asks: "Who is the president of Peru?"' in said
    assert "Nothing in the text you sent speaks of what you ask." in said
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "x"}}]
    seen = answer([{"role": "user", "content": parts}])
    assert "1 image_url" in seen.text
    assert seen.prompt_tokens == MESSAGE_TOKENS + count_tokens("What is this?") + PART_TOKENS


@pytest.mark.parametrize(
    ("text", "request_", "material"),
    [
        ("Summarise this: A b. C d.", "Summarise this", "A b. C d."),
        ("A b.\nC d.\n\nWhat is A?", "What is A?", "A b.\nC d."),
        ("Please count the words:\nA b\nC d", "Please count the words", "A b\nC d"),
        ("Hello. It rains. Is it wet?", "Hello. Is it wet?", "It rains."),
        ("Just some words", "Just some words", ""),
        ("First of all. Nothing is asked here.", "", "First of all. Nothing is asked here."),
        ("Context: A b.\nQuestion: what is A?", "Question: what is A?", "A b."),
    ],
)
def test_the_request_is_told_from_its_text(text: str, request_: str, material: str) -> None:
    assert split_request(text) == (request_, material)


def test_sentences_end_where_a_reader_would_say() -> None:
    text = "Dr. Ito paid 3.5 million, i.e. all of it. Why? “Because.” He left!\n- one item\n- two\n  lines\n\nEnd"
    assert sentences(text) == [
        "Dr. Ito paid 3.5 million, i.e. all of it.",
        "Why?",
        "“Because.”",
        "He left!",
        "one item",
        "two lines",
        "End",
    ]
    assert sentences("雨だ。傘は？はい！") == ["雨だ。", "傘は？", "はい！"]
    assert terms("The GPUs' prices, and its policies") == ["gpu", "price", "policy"]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "(",
        ")",
        "1+",
        "*2",
        "1 2",
        "()",
        "1/0",
        "0^-1",
        "2^1.5",
        "2^9999",
        "1..2",
        "9" * 50,
        "(" * 300,
        "2^(2^(2^9))",
        "a",
    ],
)
def test_what_is_no_expression_has_one_exception(expression: str) -> None:
    with pytest.raises(UnreadableExpression):
        evaluate(expression)


@pytest.mark.parametrize(
    "text", ["on 2024-01-05", "10-20 ms", "call 555-123-4567", "no sum here", "5", "version 1.2.3"]
)
def test_dates_and_ranges_are_no_sums(text: str) -> None:
    assert find_expression(text) is None


_NUMBERS = st.integers(0, 999).map(lambda value: (str(value), Fraction(value)))


def _combine(inner: st.SearchStrategy[tuple[str, Fraction]]) -> st.SearchStrategy[tuple[str, Fraction]]:
    def join(left: tuple[str, Fraction], sign: str, right: tuple[str, Fraction]) -> tuple[str, Fraction]:
        value = {"+": left[1] + right[1], "-": left[1] - right[1], "*": left[1] * right[1]}[sign]
        return f"({left[0]} {sign} {right[0]})", value

    return st.builds(join, inner, st.sampled_from("+-*"), inner)


@given(st.recursive(_NUMBERS, _combine, max_leaves=20))
def test_sums_are_exact(expression: tuple[str, Fraction]) -> None:
    text, value = expression
    assert evaluate(text) == value
    assert Fraction(to_text(value)) == value


_TEXT = st.one_of(
    st.text(), st.text(alphabet="aA .?!:\n\"'`()1-*/<>the summarise how many words top 3 risks in", max_size=300)
)
_PARTS = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, _TEXT),
        st.builds(lambda kind: {"type": kind}, st.text(max_size=9)),
        st.dictionaries(st.sampled_from(["type", "text", "refusal"]), st.one_of(st.none(), st.integers(), _TEXT)),
        st.integers(),
        _TEXT,
    ),
    max_size=4,
)
_ROLES = st.sampled_from(["system", "user", "assistant", "tool", "other"])
_MESSAGES = st.lists(
    st.fixed_dictionaries({}, optional={"role": _ROLES, "content": st.one_of(_TEXT, _PARTS, st.none())}), max_size=4
)


@given(_MESSAGES, st.integers(0, 40))
def test_no_conversation_is_too_strange_and_the_limit_always_holds(
    messages: list[dict[str, object]], max_tokens: int
) -> None:
    whole = answer(messages)
    cut = answer(messages, max_tokens=max_tokens)
    assert whole.text
    assert whole.finish_reason == "stop"
    assert cut.completion_tokens == count_tokens(cut.text) == min(max_tokens, whole.completion_tokens)
    assert cut.finish_reason == ("stop" if whole.completion_tokens <= max_tokens else "length")
    assert whole.text.startswith(cut.text)
    assert cut.prompt_tokens == whole.prompt_tokens


@given(_TEXT)
def test_a_text_is_its_pieces(text: str) -> None:
    pieces = split_pieces(text)
    assert "".join(pieces) == text
    assert count_tokens(text) == len(pieces)
    assert cut_to_tokens(text, len(pieces) // 2) == "".join(pieces[: len(pieces) // 2])


def test_a_token_is_about_four_bytes_of_english() -> None:
    assert len(LEASE.encode()) // count_tokens(LEASE) == 4
    assert split_pieces("Hello, world 2024!\n你好é") == [
        "Hello",
        ",",
        " world",
        " 202",
        "4",
        "!",
        "\n",
        "你",
        "好",
        "é",
    ]


def test_an_answer_ends_before_its_stop_text() -> None:
    said = answer([{"role": "user", "content": "List 5 planets"}], stop=["xyz", ", Earth"])
    assert (said.text, said.finish_reason) == ("Mercury, Venus", "stop")


@pytest.mark.parametrize(
    "text",
    [
        "." * 90_000 + "a",
        "a. " * 30_000,
        "(" * 90_000,
        "<text>" * 15_000,
        '"' * 90_000,
        "how many times does " * 5_000 + "?",
    ],
)
def test_a_hostile_text_is_answered_like_any_other(text: str) -> None:
    assert ask(text)
    assert ask(f"Summarise: {text}")


def test_half_a_surrogate_pair_is_no_reason_to_fail() -> None:
    said = ask("Say \ud800 please")
    assert said.encode("utf-8")


def test_labelled_lines_say_how_to_serve_and_are_no_text_to_choose_from() -> None:
    task = "Analyze this financial report and identify the top 5 risks."
    labels = "Budget: $1\nTime: 30 seconds\nQuality: high"
    report = "The credit line expires in March and may not be renewed. Revenue rose to $48 million in the quarter."
    assert "Budget" not in ask(f"{task}\n{labels}")
    assert "can't answer this" in ask(f"{task}\n{labels}")
    assert "1. The credit line expires in March" in ask(f"{task}\n\n{report}\n\n{labels}")

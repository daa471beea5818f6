"""Wishes no covenant can keep: each is told by its words, and words that only talk of such things are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from worker.covenant.policy import Policy
from worker.covenant.reader import read_covenant
from worker.covenant.served import serve_words
from worker.errors import UnreadableCovenant

WISHES = [
    ("no openai", "provider", "no openai"),
    ("$2, 10s, only groq please", "provider", "only groq"),
    ("provider: openai, $2", "provider", "provider: openai"),
    ("openai only", "provider", "openai only"),
    ("no openai, anthropic or azure, $3", "provider", "no openai, anthropic or azure"),
    ("$1; Anthropic excluded", "provider", "Anthropic excluded"),
    ("Please route to openai only", "provider", "route to openai only"),
    ("Must run on groq", "provider", "Must run on groq"),
    ("$2 with openai", "provider", "with openai"),
    ("$2 and no openai", "provider", "no openai"),
    ("Write a poem. Only groq. $1", "provider", "Only groq"),
    ("never use gpt-4o", "model", "never use gpt-4o"),
    ("model=gpt-4o", "model", "model=gpt-4o"),
    ("use llama 3.1 70b, $1", "model", "use llama 3.1"),
    ("gpt-4o, $2, 10s", "model", "gpt-4o"),
    ("under $1 using gpt-4o", "model", "using gpt-4o"),
    ("Write a poem, never use gpt-4o, $1", "model", "never use gpt-4o"),
    ("max 500 tokens", "tokens", "max 500 tokens"),
    ("500 tokens max", "tokens", "500 tokens max"),
    ("max_tokens: 500", "tokens", "max_tokens: 500"),
    ("token limit 500", "tokens", "token limit 500"),
    ("no more than 500 output tokens", "tokens", "no more than 500 output tokens"),
    ("$5, max 2 tokens", "tokens", "max 2 tokens"),
    ("keep it in Atlantis", "place", "Atlantis"),
    ("EU or Atlantis", "place", "Atlantis"),
    ("Germany, France or Atlantis", "place", "Atlantis"),
    ("residency: narnia", "place", "narnia"),
    ("data must stay in Gotham", "place", "Gotham"),
    ("only in California", "place", "California"),
    ("high priority", "priority", "high priority"),
    ("priority: low", "priority", "priority: low"),
    ("priority: critical, 5s", "priority", "priority: critical"),
    ("top priority, 10s", "priority", "top priority"),
    ("priority: 1", "priority", "priority: 1"),
]
TALK = [
    "Write a post about OpenAI, $1",
    "Compare OpenAI, Groq and Anthropic, $1",
    "How does gpt-4o work? $1",
    "Explain why openai is better than groq, 10s",
    "Summarise the openai paper, no more than $2",
    "My app uses gpt-4o, how do I cut costs? $1",
    "I use claude daily. Explain transformers, 10s",
    'Translate "no openai" to French, $1',
    "What is the max tokens limit of gpt-4? $1",
    "Write a paragraph of 500 tokens, $1",
    "$2 per 1M tokens",
    "max $5 per million tokens",
    "Tell me about Atlantis, only $1",
    "Write a story: data stays in Atlantis. $1",
    "Find hotels in Berlin, $20",
    "keep it in JSON, $1",
    "keep it in mind, $1",
    "US only or Faster",
    "top priority: security",
    "privacy, top priority",
    "cost is a high priority, 10s",
    "first priority security, then cost",
    "priority: max_performance",
    "priority = urgent",
]
INSTEAD = {
    "provider": "groq/auto",
    "model": "say it in model",
    "tokens": "max_tokens",
    "place": "Germany",
    "priority": "max_security, max_performance, balanced or cost_optimized",
}


@pytest.mark.parametrize(("text", "what", "words"), WISHES)
def test_a_wish_that_nothing_keeps_is_told_by_its_words(text: str, what: str, words: str) -> None:
    reading = read_covenant(text)
    unread = [clause for clause in reading.clauses if clause.field == "unread"]
    assert [(clause.rule, reading.words_of(clause), clause.stands) for clause in unread] == [
        (f"unread.{what}", words, False)
    ]
    assert reading.policy.flags == ()
    with pytest.raises(UnreadableCovenant) as caught:
        serve_words(text)
    assert (caught.value.status, caught.value.param) == (422, "covenant")
    assert f'"{words}" ' in caught.value.message
    assert INSTEAD[what] in caught.value.message


@pytest.mark.parametrize(("text", "what", "words"), WISHES)
def test_a_lenient_caller_is_served_and_warned(text: str, what: str, words: str) -> None:
    policy, warnings = serve_words(text, True)
    assert policy == replace(read_covenant(text).policy)
    assert [warning for warning in warnings if warning.startswith(f'left out: "{words}" ')]


@pytest.mark.parametrize("text", TALK)
def test_words_that_only_talk_of_such_things_are_served(text: str) -> None:
    assert [clause for clause in read_covenant(text).clauses if clause.field == "unread"] == []
    assert not [warning for warning in serve_words(text).warnings if "left out" in warning]


def test_what_is_kept_beside_such_a_wish_stays_kept() -> None:
    policy, _ = serve_words("$2, EU or Atlantis, no openai, max 500 tokens, high priority", True)
    assert policy == Policy(budget_usd_micros=2_000_000, residency=("EU",))
    with pytest.raises(UnreadableCovenant) as caught:
        serve_words("$2, EU or Atlantis, no openai, max 500 tokens, high priority")
    assert caught.value.message.count(";") == 3

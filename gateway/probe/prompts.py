"""The prompts of a probe, written for it: short ones for its checks, and a mixture of tasks for what is timed.

Every timed prompt begins with a number of its own, so that no cache of answers or of prompts can be what is timed.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Prompt(NamedTuple):
    """What is asked, and the kind of task it is."""

    kind: str
    text: str


#: What the checks of compatibility ask: any model answers it in a few tokens.
CHECKED: Final = "Name three primary colours."
#: Long enough an answer to see its pieces come.
TIMED: Final = "Describe, in plain words and in five sentences, how a bicycle stays upright while somebody rides it."

_NOTICE: Final = (
    "Notice to the tenants of 14 Mill Lane: the lift will be out of service from Monday to Wednesday while its cables"
    " are replaced. The stairs stay open. Tenants who cannot use them may ask the caretaker, by Friday noon, to have"
    " deliveries carried up. The car park is not affected, but its gate will have to be opened by hand on Tuesday."
)
_FIGURES: Final = (
    "Orchard Tools, second quarter: sales 4.2 million against 3.9 million a year before; cost of goods 2.6 million;"
    " wages 0.9 million; one supplier provides 61 percent of the steel; two of five lorries are broken; a customer"
    " who makes up a fifth of sales has given notice for December; cash lasts for seven months."
)
#: The pilot's mixture, in the order in which it is gone through again and again.
MIXTURE: Final = (
    Prompt("question", "Why does bread dough rise? Answer in two sentences."),
    Prompt("question", "What is the difference between a lease and a loan? Answer in two sentences."),
    Prompt("question", "What does the word 'quorum' mean?"),
    Prompt("question", "Which is heavier, a litre of water or a litre of olive oil, and why?"),
    Prompt("summary", f"Sum this notice up in one sentence. {_NOTICE}"),
    Prompt("summary", f"Say in at most fifteen words what a tenant in a wheelchair has to do. {_NOTICE}"),
    Prompt("extraction", f"List the days on which the lift does not run, separated by commas. {_NOTICE}"),
    Prompt("extraction", f"Write the sales of both years as JSON with the keys now and before. {_FIGURES}"),
    Prompt("analysis", f"Name the two largest risks in these figures, each with its reason. {_FIGURES}"),
    Prompt("analysis", f"What share of sales is left after cost of goods and wages? Show the sum. {_FIGURES}"),
    Prompt("classification", "Answer with one word, positive or negative: 'It came late, but the vase was whole.'"),
    Prompt("classification", "Is this a complaint, a question or an order? 'Could you send two more blue ones?'"),
    Prompt("code", "Write a Python function that returns the second largest number of a list."),
    Prompt("code", "What does this print, and why? `print([n for n in range(9) if n % 4 == 1])`"),
    Prompt("code", "Write one SQL query: the three customers with the most orders in the table orders(id, customer)."),
    Prompt("reasoning", "One pipe fills a tank in six hours, another in three. How long do both take together?"),
    Prompt("reasoning", "Ann is older than Bo, Cy is younger than Bo, Di is older than Ann. Who is second oldest?"),
    Prompt("reasoning", "A ticket costs 7.20 after a discount of ten percent. What did it cost before?"),
    Prompt("translation", "Translate into German: 'The meeting has been moved to Thursday afternoon.'"),
    Prompt("translation", "Translate into French: 'Please leave the keys with the neighbour on the left.'"),
    Prompt("writing", "Write a friendly reminder, two sentences long, that the library books are due on Saturday."),
    Prompt("writing", "Write a subject line of at most eight words for a message about a delayed delivery."),
    Prompt("writing", "Write a four-line rhyme about a kettle."),
    Prompt("planning", "List five steps to prepare a room for a workshop of twelve people."),
)  # fmt: skip


def numbered(number: int, text: str) -> str:
    """A prompt that was never sent before in this probe."""
    return f"Task {number}. {text}"

"""Words and whole asks that the vector texts are made of."""

from __future__ import annotations

VERBS = (
    "explain",
    "compare",
    "analyze",
    "list 7",
    "summarise",
    "extract names from",
    "classify as positive or negative",
    "translate",
    "design",
    "evaluate step by step",
    "name three of",
    "prove",
    "write a short story about",
    "tell me about",
    "compute",
    "briefly describe",
    "what is",
    "refactor",
)
TOPICS = (
    "the tides of a northern harbour",
    "a supply contract and its audit clauses",
    "how bread rises",
    "the security of a payment service",
    "our annual financial report",
    "why bridges hum in the wind",
    "the roots of a quadratic equation",
    "a recipe for lentil soup",
    "SQL joins on two large tables",
    "the migration of cranes",
    "a theorem on prime numbers",
    "the history of a small museum",
    "what a vaccine does in the body",
    "interest rates and demand",
    "the memory of elderly patients",
    "both statements, if neither is false",
)
SIGNS = (
    "in {number} words.",
    "in three paragraphs!",
    "with {number} examples of {thing}?",
    "- then {thing}",
    "first {thing}, second the {thing}, finally {number}.",
    "and why?",
    "(quality: high, budget: ${number})",
    "step by step, thoroughly;",
    "Is it {number}*{number}+1 or {number}%?",
    "keep it brief.",
)
THINGS = (
    "lanterns",
    "oak planks",
    "court filings",
    "ledger pages",
    "mountain goats",
    "glass beads",
    "enzymes",
    "copper wires",
    "train tickets",
    "taxes",
    "pumps",
    "poems",
)
NAMES = ("Ilse", "Bram", "Noor", "Mehmet", "Aoife", "Yuki", "Tariq", "Sanna")
SCRIPTS = (
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645\u061f",
    "\u5929\u6c17\u306f\u3069\u3046\u3067\u3059\u304b\uff1f",
    "\u041f\u043e\u0447\u0435\u043c\u0443 \u043d\u0435\u0431\u043e \u0441\u0438\u043d\u0435\u0435?",
    "\u0928\u092e\u0938\u094d\u0924\u0947\u0964",
    "\U0001f9ea\U0001f680",
    "\u201cna\u00efve\u201d caf\u00e9\u2026",
    "\u2211 x\u00b2 \u2265 3\u00d74 \u00f7 2",
    "don\u2019t stop",
)
#: Whole asks of people.
ASKS = (
    "",
    "   \n\t ",
    "hello",
    "Hi there!",
    "hi",
    "What is 2+2?",
    "What is 2 + 2?",
    "Name three primary colours.",
    "Define entropy.",
    "List two mammals",
    "thanks, bye",
    "analyze this machine",
    "analyse this machine",
    "Look at this machine",
    "Which chip is in this ship?",
    "THIS IS HIS",
    "HELLO",
    "Hello Moshi, overanalyzed",
    "ANALYZE THIS MACHINE",
    "Analyze this financial report and identify the top 5 risks. Budget: $1, Time: 30 seconds, Quality: high",
    "Analyze this financial report and identify the top 5 risks.",
    (
        "Please analyze the attached quarterly financial report of our company, identify the top 5 risks, and "
        "explain each one with evidence from the text. Budget: $1, Time: 30 seconds, Quality: high"
    ),
    (
        "Research the three largest cloud GPU providers, compare their pricing models, evaluate their reliability, "
        "and then recommend one for a startup. Finally, write a migration plan in five steps."
    ),
    (
        "First, compare our two database designs in depth. Then assess the security risks of each. Next, propose a "
        "migration strategy with phases, and finally justify your recommendation with a thorough cost analysis."
    ),
    (
        "What is the capital of France and roughly how many people lived there at the end of the last century, "
        "counting the suburbs?"
    ),
    (
        "Could you tell me which months are usually the driest in northern Portugal, because we would like to walk "
        "the coastal path with small children?"
    ),
    (
        "Why does bread dough rise faster in a warm kitchen than in a cold one, and does the kind of flour change "
        "anything about it?"
    ),
    (
        "How do I politely turn down a meeting invitation from a colleague I like, without sounding as if I do not "
        "care about the project?"
    ),
    "Write a Python function that reverses a linked list.",
    "Write a function that returns the larger of two values.",
    "```\nprint('x')\n```\nWhy does this fail?",
    'def area(r):\n    """Area of a circle of radius r."""\n',
    "Write a script to rename files by date",
    "Fix the bug in this query; it loops forever",
    "SELECT name FROM users; why is this SQL slow?",
    "public static void main(String[] args) { int x = 1; }",
    "Write a poem about rain",
    "Write a return policy for a small shop",
    "the definition of class in society",
    "Summarize the following article in three paragraphs.",
    "Summarise this in one sentence: the cat slept all day.",
    "TL;DR please",
    "Give me a 50-word summary of the plot.",
    "Is this review positive or negative? The soup was cold.",
    "Classify each ticket as billing, technical or other.",
    "What sentiment does the note have?",
    "a positive outlook",
    "Extract all dates from the letter below.",
    "Extract the names and summarise the rest.",
    "Parse this address: 5 High Road, Leeds",
    "Tom has 3 apples and buys 4 more. How many apples does he have in total?",
    "Solve the equation x^2 - 5x + 6 = 0.",
    "Compute the integral of \\frac{1}{x} from 1 to 2.",
    "A train covers 120 km in 2 hours. How much further does it go in 3 hours at half the speed?",
    "What is the remainder when 17 integers are shared by 5?",
    "7*8",
    "In 1990 and in 2005 the town had a fair.",
    "What is the meaning of life, in one word?",
    "Write four bullets about tea.",
    "Write 300 words on autumn",
    "Give five examples of irony",
    "Briefly explain photosynthesis.",
    "Explain photosynthesis.",
    "Write an essay about the sea",
    "write one hundred sentences",
    "Write 9999 paragraphs",
    "word",
    "top",
    "top 12345",
    "- milk\n- eggs\n- bread\nWhich of these is vegan?",
    "1. wash\n2. dry\n3. iron\nPut in order",
    "Pick one.\nA. red\nB. blue\nC. green\nD. none\nAnswer:",
    "\xbfCu\xe1l es la capital de Per\xfa?",
    "\u4eca\u5929\u5929\u6c14\u600e\u4e48\u6837\uff1f",
    "\u201cAnalyze\u201d this\u2026",
    "what\u2019s up, don\u2019t worry",
    "\u0647\u0644 \u0627\u0644\u0642\u0637\u0627\u0631 \u0645\u062a\u0623\u062e\u0631\u061f",
    "\U0001f389\U0001f389\U0001f389",
    "na\xefve caf\xe9 reportage",
    "2 \xd7 3 \u2264 7 \xf7 1",
    "A? B? C? D? E?",
    "One. Two! Three? Four...",
    (
        "lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum "
        "dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem "
        "ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor "
        "lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum "
        "dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem "
        "ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor "
        "lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum "
        "dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem "
        "ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor "
        "lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum "
        "dolor lorem ipsum dolor lorem ipsum dolor lorem ipsum dolor "
    ),
    "a\x00b\x00compare",
)

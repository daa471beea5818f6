"""Decides what the simulator can say without a text: definitions of this field's words, and a few lists everyone knows.

The sentences are the project's own. A definition begins with the term; a list is given whole or from its start.
"""

from __future__ import annotations

from functools import cache

from gateway.simulator.sentence import terms

_DEFINITIONS = {
    "gpu": "A GPU (graphics processing unit) is a processor with thousands of small cores and fast memory of its own; "
    "it runs the matrix products that language models are made of.",
    "cpu": "A CPU (central processing unit) is a computer's general processor: a few fast cores that run any program.",
    "vgpu": "A vGPU is a share of a physical GPU that one tenant sees as a device of its own.",
    "vram": "VRAM is the memory on a GPU; a model's weights and the caches of its open requests have to fit into it.",
    "token": "A token is the unit a language model reads and writes: a short word or a piece of one, about four bytes "
    "of English text.",
    "latency": "Latency is the time between asking and getting the answer; for a stream one also counts the time to "
    "the first token.",
    "throughput": "Throughput is the amount of work finished per unit of time, such as tokens or requests per second.",
    "time to first token": "Time to first token is how long a client waits before a streamed answer begins.",
    "time to value": "Time to value is how long it takes until the full answer has arrived.",
    "inference": "Inference is running a trained model to get an answer, as opposed to training it.",
    "training": "Training is fitting a model's weights to data; it costs far more computing time than one answer does.",
    "fine tuning": "Fine-tuning is training a finished model a little further on data of one's own.",
    "language model": "A language model is a program with learned weights that predicts the next token of a text, "
    "again and again, until the answer is complete.",
    "prompt": "A prompt is the text a client sends to a model.",
    "context window": "A context window is the largest number of tokens a model can take into account at once.",
    "embedding": "An embedding is a list of numbers that stands for a text, so that texts of like meaning lie close.",
    "quantization": "Quantization is storing a model's weights in fewer bits, which saves memory at some cost in "
    "quality.",
    "batch": "A batch is a group of requests a GPU works on together, which raises throughput and may raise latency.",
    "kv cache": "A KV cache holds what a model has worked out for the tokens it has read, so that each new token is "
    "cheap.",
    "covenant": "A covenant is what a caller asks of a request in plain words, such as a budget, a time limit or a "
    "level of security; Harpoon reads it into a policy it enforces.",
    "policy": "A policy is the set of rules a covenant was read into: budget, deadline, quality floor, residency.",
    "gateway": "A gateway is a server that takes requests for many providers at one address and passes each one on.",
    "harpoon": "Harpoon is an AI gateway: it takes an OpenAI request, reads the covenant that comes with it, and "
    "chooses the provider, model and GPU pool that fit.",
    "provider": "A provider is a company or a pool that serves models.",
    "route": "A route is a choice of provider, model and price that a request can take.",
    "routing": "Routing is choosing the route for a request.",
    "candidate": "A candidate is a route that is being considered for a request, before it is admitted or denied.",
    "fallback": "A fallback is trying another route after one has failed.",
    "retry": "A retry is trying the same route again after it has failed.",
    "budget": "A budget is the most that may be spent; Harpoon reserves the worst case before a request leaves.",
    "deadline": "A deadline is the moment by which the answer has to be complete.",
    "tenant": "A tenant is one customer of a shared system, whose data and limits are kept apart from the others'.",
    "pool": "A pool is a group of GPUs that are shared under one rule.",
    "sharing ratio": "The sharing ratio of a pool is how many workloads it admits for each physical GPU.",
    "overcommit": "Overcommit is promising more of a resource than there is, in the hope that not all use it at once.",
    "time slicing": "Time slicing is giving each tenant the whole GPU in turns.",
    "quantum": "A quantum is the length of one turn when tenants take turns on a GPU.",
    "spatial sharing": "Spatial sharing is running several tenants on one GPU at the same time, side by side.",
    "preemption": "Preemption is taking a resource away from its holder before the work is done.",
    "lease": "A lease is a claim on a resource that ends by itself at a set time.",
    "ledger": "A ledger is a log to which entries are only ever added; Harpoon's can prove that none was changed.",
    "merkle tree": "A Merkle tree is a tree of hashes in which one root stands for every entry, so that a short proof "
    "shows that an entry is in it.",
    "inclusion proof": "An inclusion proof is a short list of hashes that shows an entry is in a log.",
    "hash": "A hash is a short fixed-length number worked out from data, which changes when the data does.",
    "certificate": "A decision's certificate is the record from which anyone can check why its route was chosen.",
    "webhook": "A webhook is an HTTP request that a system sends to yours when something has happened.",
    "outbox": "An outbox is a table of events to deliver, written together with the change that caused them.",
    "idempotency": "Idempotency means that doing an operation twice has the same effect as doing it once.",
    "rate limit": "A rate limit is the number of requests or tokens a client may use in a period.",
    "streaming": "Streaming is sending an answer piece by piece while it is being made.",
    "server sent events": "Server-sent events are a way to stream text messages over one HTTP answer.",
    "api": "An API (application programming interface) is the set of calls by which one program uses another.",
    "http": "HTTP is the protocol by which browsers and programs ask servers for things on the web.",
    "json": "JSON is a text format for objects, lists, strings, numbers and truth values.",
    "openai": "OpenAI is the company whose chat-completions API most other providers and gateways copy.",
    "worker": "A Cloudflare Worker is a small program that runs in many places close to its users.",
    "edge": "The edge is the part of a network that is close to its users.",
    "webassembly": "WebAssembly is a portable machine code that runs at nearly native speed in browsers and servers.",
    "container": "A container is a program packed together with all it needs, run apart from the others on a machine.",
    "kubernetes": "Kubernetes is a system that runs containers on many machines and keeps them running.",
    "circuit breaker": "A circuit breaker stops sending requests to a provider that keeps failing, and tries it again "
    "later.",
    "residency": "Residency is the rule in which countries or regions data may be processed.",
    "python": "Python is a widely used programming language known for code that is easy to read.",
    "simulator": "A simulator imitates a system's behaviour; this one imitates a model provider, without a model.",
    "photosynthesis": "Photosynthesis is how plants turn light, water and carbon dioxide into sugar and oxygen.",
    "gravity": "Gravity is the attraction between masses; it keeps the planets in their orbits.",
    "prime number": "A prime number is a whole number above one that only one and itself divide.",
    "capital of france": "The capital of France is Paris.",
    "capital of germany": "The capital of Germany is Berlin.",
    "capital of italy": "The capital of Italy is Rome.",
    "capital of spain": "The capital of Spain is Madrid.",
    "capital of japan": "The capital of Japan is Tokyo.",
    "capital of united kingdom": "The capital of the United Kingdom is London.",
    "capital of united states": "The capital of the United States is Washington, D.C.",
}

_ALIASES = {
    "graphics card": "gpu",
    "graphics processing unit": "gpu",
    "llm": "language model",
    "large language model": "language model",
    "ttft": "time to first token",
    "sse": "server sent events",
    "wasm": "webassembly",
    "temporal sharing": "time slicing",
    "k8s": "kubernetes",
    "ai gateway": "gateway",
    "gpu pool": "pool",
    "vllm": "inference",
    "capital of uk": "capital of united kingdom",
    "capital of usa": "capital of united states",
}

_LISTS = {
    "primary colour": "red yellow blue",
    "secondary colour": "orange green purple",
    "colour": "red orange yellow green blue purple",
    "colour of rainbow": "red orange yellow green blue indigo violet",
    "day of week": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "weekday": "Monday Tuesday Wednesday Thursday Friday",
    "month": "January February March April May June July August September October November December",
    "season": "spring summer autumn winter",
    "planet": "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune",
    "continent": "Africa Antarctica Asia Australia Europe North_America South_America",
    "ocean": "Atlantic Pacific Indian Arctic Southern",
    "vowel": "a e i o u",
    "prime number": "2 3 5 7 11 13 17 19 23 29",
    "even number": "2 4 6 8 10 12 14 16 18 20",
    "odd number": "1 3 5 7 9 11 13 15 17 19",
    "fruit": "apple pear banana orange grape cherry peach plum mango lemon",
    "vegetable": "carrot potato onion tomato cabbage spinach pea leek pepper bean",
    "animal": "dog cat horse cow elephant lion whale eagle salmon frog",
    "programming language": "Python C Java JavaScript Rust Go Ruby Kotlin Swift Haskell",
    "european capital": "Paris Berlin Rome Madrid London Vienna Lisbon Athens Dublin Oslo",
    "state of matter": "solid liquid gas",
    "compass direction": "north east south west",
    "provider": "hosted.ai Groq OpenAI Workers_AI",
    "gpu pool": "private-1x shared-4x shared-8x",
}

_LIST_ALIASES = {
    "color": "colour",
    "primary color": "primary colour",
    "secondary color": "secondary colour",
    "color of rainbow": "colour of rainbow",
    "rainbow colour": "colour of rainbow",
    "rainbow color": "colour of rainbow",
    "day": "day of week",
    "week": "day of week",
    "cardinal direction": "compass direction",
    "month of year": "month",
    "season of year": "season",
    "year": "month",
    "prime": "prime number",
    "planet of solar system": "planet",
    "planet in solar system": "planet",
    "solar system planet": "planet",
}

#: Lists that are complete: only these may be counted ("how many planets are there?").
_COMPLETE = frozenset(_LISTS) - {
    "colour", "prime number", "even number", "odd number", "fruit", "vegetable", "animal", "programming language",
    "european capital", "provider",
}  # fmt: skip

_Key = frozenset[str]


def _key(name: str) -> _Key:
    return frozenset(terms(name))


@cache
def _definitions() -> dict[_Key, str]:
    named = {_key(name): text for name, text in _DEFINITIONS.items()}
    return named | {_key(alias): _DEFINITIONS[name] for alias, name in _ALIASES.items()}


@cache
def _lists() -> dict[_Key, str]:
    return {_key(name): name for name in _LISTS} | {_key(alias): name for alias, name in _LIST_ALIASES.items()}


def define(subject: str) -> str | None:
    """What the glossary says of `subject` ("a GPU", "the sharing ratio"), or None."""
    return _definitions().get(_key(subject))


def find_list(subject: str) -> tuple[tuple[str, ...], bool] | None:
    """The members of `subject` ("primary colours", "days of the week") and whether they are all of them, or None."""
    name = _lists().get(_key(subject))
    if name is None:
        return None
    return tuple(item.replace("_", " ") for item in _LISTS[name].split()), name in _COMPLETE

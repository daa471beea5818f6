"""Wishes that no covenant can keep: a provider, a model, a limit of tokens, an unknown place, a priority of no level.

They change nothing in the policy; they are told, so that nobody takes them for kept. Only words that are plainly a
wish count ("no openai", "max 500 tokens"): a task may talk of providers and of tokens as it likes.
"""

from __future__ import annotations

from worker.covenant.atoms import UNKNOWN, Atom
from worker.covenant.leaning import ABOUT
from worker.covenant.lexer import WORD, Token
from worker.covenant.limit import BARE
from worker.covenant.scene import ASK, TASK, Scene
from worker.covenant.wishes import Wish

PROVIDER, MODEL, TOKENS, PLACE, LEVEL = "provider", "model", "tokens", "place", "priority"
_PROVIDERS = frozenset(
    str.split(
        "openai anthropic groq mistral cohere fireworks deepinfra azure bedrock vertex openrouter cerebras sambanova "
        "huggingface xai ollama nvidia perplexity aws gcp togetherai anyscale databricks baseten runpod vllm nebius "
        "novita friendli octoai lepton siliconflow moonshot aleph cloudflare google microsoft amazon meta"
    )
)
_MODELS = frozenset(
    str.split(
        "gpt gpt4 gpt4o gpt3 gpt5 chatgpt claude sonnet opus haiku gemini gemma llama llama2 llama3 llama4 qwen "
        "qwen2 "
        "qwen3 mixtral codestral ministral deepseek grok phi3 phi4 kimi glm davinci nemotron starcoder"
    )
)
_NAMES = _PROVIDERS | _MODELS
#: Words right before a name that make it a wish, and the verbs among them, which do so behind a task too.
_VERBS = frozenset(str.split("use using via route routed send call query pick choose prefer avoid exclude ban block"))
_CUES = _VERBS | frozenset(
    str.split(
        "only no not never don't without except excluding exclusively solely but nothing provider model models with "
        "must run runs stick"
    )
)
#: Who stands before a verb that only tells: "I use claude daily".
_TELLERS = frozenset(str.split("i we they he she you people who which that already currently i've we've can to"))
_LEADING = frozenset(
    str.split("use using run on the to with through from by via any a of be is : = or and nor go it other than at to")
)
_BEHIND = frozenset(
    str.split("only exclusively solely banned excluded forbidden prohibited allowed disallowed blocked off")
)
_TRAILING = frozenset(
    str.split(
        "model models api apis provider providers or and nor is are not must be family hosted weights - please , /"
    )
)
_STOPS = frozenset((",", ";", ".", "(", ")"))
_REACH = 8
_COUNTED = frozenset(("token", "tokens", "tok", "toks"))
_COUNTERS = frozenset(str.split("output input total completion response context new generated per answer in max of"))
#: Places that are no country, known by their names in any case.
_ELSEWHERE = frozenset(
    str.split(
        "atlantis narnia mordor wakanda antarctica africa asia oceania scandinavia apac emea latam california texas "
        "virginia oregon ohio florida bavaria quebec ontario london paris berlin frankfurt munich hamburg amsterdam "
        "dublin stockholm zurich geneva vienna madrid milan rome warsaw tokyo osaka mumbai sydney toronto montreal"
    )
)
_MARKERS = frozenset(
    str.split(
        "keep kept stay stays remain remains hosted host processed process stored store located residency run runs "
        "served serve data reside resides based leave leaves"
    )
)
_STRESSES = frozenset(("only", "never", "not", "exclusively"))
_WHERE = frozenset(("in", "inside", "within", "outside"))
_PLACE_LABELS = frozenset(("residency", "region", "location", "country", "jurisdiction"))
#: Capitalised words behind "keep it in" that are a form or a language of the answer.
_FORMS = frozenset(
    str.split(
        "json yaml xml html css csv tsv markdown latex python java javascript typescript rust go golang sql pdf "
        "excel "
        "word ascii unicode php perl ruby kotlin swift scala haskell bash toml hindi arabic latin swahili hebrew "
        "urdu "
        "bengali tamil persian farsi catalan basque esperanto mandarin cantonese google slack notion github git "
        "docker "
        "jira confluence sharepoint dropbox s3 ram memory mind check line style sync c r i"
    )
)
_PADDING = frozenset(("rest", "polite", ":", "ask", ".", ",", ";", "(", ")", "key", "'", '"', "joint", "only"))

_LEVELS = frozenset(("level", "key", BARE, UNKNOWN))


def unread_of(scene: Scene, text: str) -> list[Wish]:
    """The wishes in a scene that nothing can keep, in order; none of them stands."""
    found: list[Wish] = []
    behind = 0
    for at, atom in enumerate(scene.atoms):
        if atom.first < behind or scene.injected[at]:
            continue
        wish = None
        word = scene.tokens[atom.first].text
        if word in _NAMES:
            wish = _name(scene, at, text)
        elif word in _COUNTED:
            wish = _token_limit(scene, at)
        elif atom.kind == UNKNOWN:
            wish = _place(scene, at, text)
        elif atom.kind == "dim" and atom.value == "priority":
            wish = _level(scene, at)
        if wish is not None:
            found.append(wish)
            behind = wish.end
    return found


def _unread(what: str, value: str, first: int, end: int) -> Wish:
    return Wish(f"unread.{what}", "unread", value, first, end, stands=False)


def _stretch(scene: Scene, at: int) -> tuple[int, int]:
    """The atoms around one between two marks of its sentence."""
    first, end = at, at + 1
    while first > max(0, at - 24) and scene.atoms[first - 1].kind not in _STOPS:
        first -= 1
    while end < min(len(scene.atoms), at + 24) and scene.atoms[end].kind not in _STOPS:
        end += 1
    return first, end


def _is_told(scene: Scene, first: int) -> bool:
    """Whether something else is spoken of before in the sentence: a task, a question, a word of no meaning here."""
    if first == 0:
        return False
    sentence, at = scene.sentence(min(first, len(scene.atoms) - 1)), first - 1
    while at >= 0 and at > first - 60 and scene.sentence(at) == sentence:
        if scene.atoms[at].kind in (TASK, ASK) or _is_strange(scene, at):
            return True
        at -= 1
    return False


def _is_strange(scene: Scene, at: int) -> bool:
    atom = scene.atoms[at]
    token = scene.tokens[atom.first]
    known = token.text in _NAMES or token.text in _ELSEWHERE
    return atom.kind == UNKNOWN and not (known or token.hyphened or token.glued or token.kind != WORD)


def _speaks_of_wishes(scene: Scene, first: int, end: int) -> bool:
    return not any([scene.atoms[at].kind in (TASK, ASK) or _is_strange(scene, at) for at in range(first, end)])


def _name(scene: Scene, at: int, text: str) -> Wish | None:
    """A provider or a model that is asked for or ruled out: "no openai", "only groq", "model: gpt-4o"."""
    tokens, first = scene.tokens, scene.atoms[at].first
    begin, end = first, _name_end(tokens, first)
    cue = ""
    while begin > max(0, first - _REACH) and (tokens[begin - 1].text in _LEADING or tokens[begin - 1].text in _CUES):
        begin -= 1
        cue = tokens[begin].text if tokens[begin].text in _CUES and cue not in _VERBS else cue
    begin = next((index for index in range(begin, first) if tokens[index].text in _CUES), first)
    if begin and tokens[begin - 1].text in _TELLERS:
        return None
    last, behind = end, end
    while behind < min(len(tokens), end + _REACH) and (
        tokens[behind].text in _TRAILING or tokens[behind].text in _NAMES
    ):
        named = tokens[behind].text in _NAMES
        behind = _name_end(tokens, behind) if named else behind + 1
        last = behind if named else last
    stretch_first, stretch_end = _stretch(scene, at)
    follows = behind < len(tokens) and tokens[behind].text in _BEHIND
    if not (cue or follows or _is_alone(scene, stretch_first, stretch_end, first, end)):
        return None
    if cue == "with" and not any([atom.quantity is not None for atom in scene.atoms[stretch_first:at]]):
        return None
    if not _speaks_of_wishes(scene, stretch_first, stretch_end):
        return None
    if _is_told(scene, stretch_first) and not (cue in _VERBS and scene.atoms[stretch_first].first >= begin - 2):
        return None
    what = PROVIDER if tokens[first].text in _PROVIDERS else MODEL
    value = text[tokens[first].start : tokens[end - 1].end]
    return _unread(what, value, begin, behind + 1 if follows else last)


def _name_end(tokens: list[Token], at: int) -> int:
    """Where a name ends, with its version: "gpt-4o", "llama 3.1 70b", "openai/gpt-4o-mini"."""
    end = at + 1
    while end < len(tokens) and end < at + 10:
        token = tokens[end]
        joins = token.glued and token.text not in _STOPS and token.text not in (":", "?", "!", "\n", '"', "'")
        if not joins and not (token.kind == "number" and tokens[at].text in _MODELS and end == at + 1):
            break
        end += 1
    return end


def _is_alone(scene: Scene, first: int, end: int, name: int, name_end: int) -> bool:
    """Whether a covenant's words have a name beside them and nothing else: "gpt-4o, $2, 10s"."""
    if scene.atoms[first].first < name or scene.atoms[end - 1].end > name_end or len(scene.atoms) > 60:
        return False
    others = False
    for at, atom in enumerate(scene.atoms):
        if not first <= at < end:
            others = others or atom.quantity is not None
            if atom.kind in (TASK, ASK) or _is_strange(scene, at):
                return False
    return others


def _token_limit(scene: Scene, at: int) -> Wish | None:
    """A number of tokens: "max 500 tokens", "token limit: 2k", "$2, 500 tokens"."""
    first, end = _stretch(scene, at)
    atoms = scene.atoms
    number = at - 1
    while number > first and (atoms[number].kind == "upper" or atoms[number].words in _COUNTERS):
        number -= 1
    if number < first or atoms[number].kind != BARE:
        number = next((other for other in range(at + 1, min(end, at + 5)) if atoms[other].kind == BARE), -1)
    if number < 0 or not _speaks_of_wishes(scene, first, end):
        return None
    inside = atoms[first:end]
    if any([atom.kind in ("money", "scope") for atom in inside if atoms[at].first - 4 < atom.end <= atoms[at].first]):
        return None
    bounds = [index for index in range(first, end) if atoms[index].kind in ("upper", "lower")]
    if _is_told(scene, first) and not bounds:
        return None
    begin, last = min(number, at), max(number, at)
    for index in bounds:
        if begin - 2 <= index <= last + 2:
            begin, last = min(begin, index), max(last, index)
    return _unread(TOKENS, scene.words(number), atoms[begin].first, atoms[last].end)


def _place(scene: Scene, at: int, text: str) -> Wish | None:
    """A name where a country should stand: "keep it in Atlantis", "EU or Atlantis", "residency: Mordor"."""
    tokens, atoms, atom = scene.tokens, scene.atoms, scene.atoms[at]
    token = tokens[atom.first]
    named = token.text in _ELSEWHERE
    capital = "A" <= text[token.start] <= "Z" and token.kind == WORD
    if not (named or capital) or token.text in _FORMS or (at + 1 < len(atoms) and atoms[at + 1].kind == UNKNOWN):
        return None
    first, end = _stretch(scene, at)
    begin = atom.first
    while begin > max(0, atom.first - 3) and tokens[begin - 1].text in ("the", "in", "inside", "within", "outside"):
        begin -= 1
    where = any([tokens[index].text in _WHERE for index in range(begin, atom.first)])
    before = [tokens[index].text for index in range(max(atoms[first].first, begin - 6), begin)]
    marked = where and (any([word in _MARKERS for word in before]) or "".join(before[-1:]) in _STRESSES)
    behind = tokens[atom.end].text if atom.end < len(tokens) else ""
    label = tokens[begin - 2].text if begin > 1 and tokens[begin - 1].text in (":", "=") else ""
    listed = tokens[begin - 1].text in ("or", "and") and _ends_in_place(scene, at) if begin else False
    only = named and behind == "only"
    if not (marked or label in _PLACE_LABELS or listed or only):
        return None
    others = [index for index in range(first, end) if index != at]
    if any([atoms[index].kind in (TASK, ASK, UNKNOWN) for index in others]) or _is_told(scene, first):
        return None
    return _unread(PLACE, text[token.start : token.end], atom.first, atom.end)


def _ends_in_place(scene: Scene, at: int) -> bool:
    """Whether a place that is wanted or ruled out stands before a joint: "EU or ...", "EU only, or in ..."."""
    for index in range(at - 1, max(-1, at - 6), -1):
        if scene.atoms[index].kind not in ("joint", "only", "host", "rest", "in", ",", "and"):
            return scene.atoms[index].kind == "place" and scene.live[index]
    return False


def _level(scene: Scene, at: int) -> Wish | None:
    """A priority that is none of the four: "high priority", "priority: low", "priority = 1"."""
    atoms = scene.atoms
    first, end = _stretch(scene, at)
    if not scene.live[at]:
        return None
    inside = [atoms[index] for index in range(first, end) if index != at and atoms[index].kind not in _PADDING]
    labelled = at + 2 < len(atoms) and atoms[at + 1].kind == ":"
    if not inside and labelled and atoms[at + 2].kind == "key":
        inside = [atoms[at + 2]]
    elif not inside and atoms[at].words == "top priority":
        inside = [atoms[at]]
    if len(inside) != 1 or (inside[0].kind not in _LEVELS and inside[0] is not atoms[at]):
        return None
    named = inside[0].kind == "level" or inside[0] is atoms[at]
    if not named and not (labelled and inside[0].first > atoms[at].end):
        return None
    if _has_subject(scene, first - 2) or _has_subject(scene, end + 1) or _is_told(scene, first):
        return None
    begin, last = min(atoms[at].first, inside[0].first), max(atoms[at].end, inside[0].end)
    return _unread(LEVEL, inside[0].words, begin, last)


def _has_subject(scene: Scene, at: int) -> bool:
    """Whether the stretch that atom `at` stands in says what has priority: "privacy, top priority"."""
    if not 0 <= at < len(scene.atoms):
        return False
    first, end = _stretch(scene, at)
    inside: list[Atom] = scene.atoms[first:end]
    return any([atom.kind == "prio" or (atom.kind == "dim" and atom.value in ABOUT) for atom in inside]) and not any(
        [atom.quantity is not None for atom in inside]
    )

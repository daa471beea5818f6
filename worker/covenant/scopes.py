"""What a limit of money holds for: a request, an hour, a day, a month, a million tokens, or everything together."""

from __future__ import annotations

_REQUESTS = (
    "request call query question prompt reply response answer message completion req run inference invocation "
    "interaction generation chat turn "
    "anfrage aufruf frage antwort requete appel reponse solicitud peticion llamada consulta pregunta "
    "respuesta richiesta "
    "chiamata domanda risposta pedido chamada requisicao pergunta resposta verzoek aanvraag vraag antwoord zapytanie "
    "odpowiedz pytanie request calls requests queries questions prompts replies responses answers messages"
)
_PER = (
    "per",
    "each",
    "every",
    "any",
    "/",
    "pro",
    "je",
    "par",
    "por",
    "za",
    "na",
    "cada",
    "chaque",
    "ogni",
    "jede",
    "jeder",
    "elke",
    "single",
    "individual",
    "for each",
    "for every",
    "for any",
    "for a single",
    "any one",
    "any single",
    "each single",
    "every single",
    "each and every",
    "a single",
    "one single",
    "per single",
    "per each",
    "on each",
    "on every",
    "for one",
    "for this",
    "for that",
    "pour chaque",
    "para cada",
    "per ogni",
    "fur jede",
    "voor elke",
    "api",
    "per api",
    "per individual",
    "per model",
    "per llm",
    "a",
    "one",
)
_HOUR = "hour|hr|h|stunde|heure|hora|ora|uur|godzine|godzina"
_DAY = "day|d|tag|jour|dia|giorno|dag|dzien"
_MONTH = "month|mo|mth|monat|mois|mes|mese|maand|miesiac"
_UNSUPPORTED = (
    "week|wk|year|yr|y|annum|woche|jahr|semaine|semana|settimana|anno|ano|an|minute|min|second|sec|s|user|head|"
    "person|seat|token|word|page|decade|quarter|fortnight"
)
_SPAN_PER = (
    "per|each|every|/|pro|je|par|por|al|na|all|any one|in any|in any one|in a single|for each|for every|"
    "a single|in any given|cada|chaque|all'|ogni|elke|op een"
)
_TOKENS = (
    "per million tokens|per 1m tokens|per 1 m tokens|per 1000000 tokens|per 1,000,000 tokens|per m tokens|per mtok|"
    "/ million tokens|/ 1m tokens|/ 1 m tokens|/ m tokens|/ mtok|/ mtoks|per mtoks|per million|per million token|"
    "per one million tokens|per a million tokens|per 1 million tokens|/ 1 million tokens|for a million tokens|"
    "per million output tokens|per million input tokens|for every million tokens|each million tokens|"
    "every million tokens|for each million tokens|per 1 mtok|/ 1 mtok|a million tokens|per 1 million token|"
    "per 1m|/ 1m|"
    "per 1 m|/ 1 m|per mio tokens|pro million token|pro million tokens|pro 1 m tokens|"
    "par million de tokens|par million de jetons|"
    "por millon de tokens|por milhao de tokens|per milione di token|per miljoen tokens|na milion tokenow|"
    "for 1 million tokens|for 1 m tokens|for one million tokens|per 1 000 000 tokens|per megatoken|"
    "1 m tokens|million tokens|"
    "per one million|per 1 mio tokens|/ mio tokens|per tokens million"
)
_TOTAL = (
    "all of it together|all of this together|all of that together|everything together|all calls together|"
    "all requests together|"
    "total|combined cost|combined spend|combined budget|aggregate cost|lifetime budget|in total|overall|"
    "altogether|all together|all in all|in all|all told|all up|combined|for everything|"
    "for the whole project|for the entire project|for the project|for this project|for the whole job|"
    "for the entire job|"
    "for the whole thing|for the entire thing|for the lot|for the whole batch|for the entire batch|for the batch|"
    "for the whole run|for the entire run|for the whole task|for the entire task|for all of it|for all of this|"
    "for all of them|for all requests|for all calls|across all calls|across all requests|across the project|"
    "across the whole project|across everything|lifetime|all inclusive|grand total|sum total|for the whole session|"
    "for the entire session|for the session|for the whole conversation|for the entire conversation|"
    "in the aggregate|in aggregate|aggregate|"
    "cumulative|cumulatively|all in|whole project|entire project|for the whole campaign|for the whole lot|"
    "the lot|for all|"
    "across the board|for the duration|from start to finish|start to finish|end to end cost|project budget|"
    "for everything together|"
    "for the whole workflow|for the entire workflow|for the whole pipeline|taken together|put together|"
    "insgesamt|gesamt|im ganzen|total gesamt|zusammen|alles zusammen|gesamtbudget|en total|en tout|"
    "au total|tout compris|pour tout le projet|"
    "pour l' ensemble|en todo|para todo el proyecto|por todo|in totale|in tutto|complessivamente|"
    "per tutto il progetto|no total|ao todo|"
    "para todo o projeto|em total|totaal|in totaal|bij elkaar|alles bij elkaar|lacznie|w sumie|razem|"
    "fur das ganze projekt|"
    "fur das gesamte projekt|fuer das ganze projekt|im gesamten|global|globally|gesamtkosten|"
    "por todo el proyecto|total project|"
    "voor het hele project|za caly projekt|na caly projekt"
)
_UNDERTAKINGS = (
    "project job thing batch run task session conversation programme program campaign engagement workflow pipeline "
    "exercise assignment operation contract undertaking experiment migration rollout initiative series study suite"
)
_WHOLES = ("the whole", "the entire", "the complete", "the full", "this whole", "this entire", "my whole", "our whole")
_HOURLY = "hourly|stundlich|horaire|por hora|orario|an hour|a hour|the hour|all' ora|l' heure|uurlijks|co godzine|an hr"
_DAILY = (
    "daily|taglich|taeglich|quotidien|diario|diaria|diariamente|giornaliero|al giorno|al dia|par jour|"
    "dziennie|dagelijks|a day|the day|"
    "day budget|tagesbudget|pro tag|am tag|ao dia|per diem|le jour|per day"
)
_MONTHLY = (
    "monthly|monatlich|mensuel|mensuelle|mensual|mensuales|mensile|mensili|mensal|mensais|maandelijks|"
    "miesiecznie|a month|the month|"
    "al mes|al mese|au mois|im monat|ao mes|per month|p m|pm|monatsbudget|pcm|le mois|this month"
)

#: Phrases that mean a scope wherever they stand beside money.
SCOPES: dict[str, str] = {
    **{f"{per} {noun}": "per_request" for per in _PER for noun in _REQUESTS.split()},
    **dict.fromkeys(("each", "apiece"), "per_request"),
    **dict.fromkeys(
        (
            "a pop",
            "a piece",
            "a go",
            "a shot",
            "a throw",
            "per piece",
            "per go",
            "each time",
            "every time",
            "each one",
            "per use",
            "per shot",
            "per pop",
            "per one",
            "every one",
            "pro stuck",
            "per task",
            "per job",
            "per item",
            "per doc",
            "per document",
            "per file",
            "a task",
            "a job",
            "each task",
            "each job",
            "every task",
            "every job",
            "/ task",
            "/ job",
            "cadauno",
            "cada una",
            "cada uno",
            "chacun",
            "chacune",
            "jeweils",
            "a turn",
            "per attempt",
            "per conversation turn",
            "any request at all",
            "ciascuno",
            "ciascuna",
            "l' une",
            "l' un",
            "la piece",
            "per stuk",
            "a time",
            "za sztuke",
        ),
        "per_request",
    ),
    **{f"{per} {noun}": "per_hour" for per in _SPAN_PER.split("|") for noun in _HOUR.split("|")},
    **{f"{per} {noun}": "per_day" for per in _SPAN_PER.split("|") for noun in _DAY.split("|")},
    **{f"{per} {noun}": "per_month" for per in _SPAN_PER.split("|") for noun in _MONTH.split("|")},
    **{
        f"{per} {noun}": "other"
        for per in ("per", "/", "a", "an", "pro", "par", "por", "each", "every")
        for noun in _UNSUPPORTED.split("|")
    },
    **dict.fromkeys(("weekly", "yearly", "annually", "annual", "wochentlich", "jahrlich"), "other"),
    **dict.fromkeys(_TOKENS.split("|"), "per_1m_tokens"),
    **dict.fromkeys(_HOURLY.split("|"), "per_hour"),
    **dict.fromkeys(_DAILY.split("|"), "per_day"),
    **dict.fromkeys(_MONTHLY.split("|"), "per_month"),
    **{
        f"{across} {whole} {thing}": "total"
        for across in ("for", "across", "over", "on")
        for whole in _WHOLES
        for thing in _UNDERTAKINGS.split()
    },
    **{f"{whole} {thing}": "total" for whole in _WHOLES[:3] for thing in ("project", "programme", "program")},
    **{f"for {one} {thing}": "total" for one in ("the", "this") for thing in ("programme", "program", "campaign")},
    **dict.fromkeys(_TOTAL.split("|"), "total"),
}
#: Phrases that mean a scope only right after money: "a request", "an hour".
ONLY_AFTER_MONEY = frozenset(
    (
        *(f"{per} {noun}" for per in ("a", "one", "any") for noun in _REQUESTS.split()),
        *(f"{per} {noun}" for per in ("a", "an") for noun in f"{_HOUR}|{_DAY}|{_MONTH}|{_UNSUPPORTED}".split("|")),
        *(
            "an hour",
            "a hour",
            "a day",
            "a month",
            "the hour",
            "the day",
            "the month",
            "this month",
            "each",
            "a go",
            "a shot",
            "a time",
            "a turn",
            "a throw",
            "a task",
            "a job",
            "1 m tokens",
            "million tokens",
            "a million tokens",
            "pm",
            "p m",
            "in all",
            "all in",
            "any one",
            "global",
            "l' une",
            "l' un",
            "la piece",
            "razem",
            "zusammen",
            "combined",
            "the lot",
            "for all",
            "globally",
            "end to end cost",
            "le mois",
            "le jour",
            "l' heure",
            "annual",
            "aggregate",
            "start to finish",
            "from start to finish",
            "a piece",
            "single answer",
        ),
    )
)

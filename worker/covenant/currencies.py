"""The words and signs of money, each with its ISO 4217 code and how many millionths of the unit it is worth.

Dollars, bucks, cents, nickels, dimes and quarters without a country are USD (data set, section covenants).
"""

from __future__ import annotations

from worker.covenant.folding import CAPITALS

_WHOLE = 1_000_000
_HUNDREDTH = 10_000

SIGNS: dict[str, str] = {
    "$": "USD",
    "us$": "USD",
    "a$": "AUD",
    "au$": "AUD",
    "c$": "CAD",
    "ca$": "CAD",
    "nz$": "NZD",
    "hk$": "HKD",
    "s$": "SGD",
    "sg$": "SGD",
    "r$": "BRL",
    "mx$": "MXN",
    "nt$": "TWD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "円": "JPY",
    "元": "CNY",
    "₹": "INR",
    "₩": "KRW",
    "₽": "RUB",
    "₺": "TRY",
    "₪": "ILS",
    "₫": "VND",
    "₴": "UAH",
    "₦": "NGN",
    "₱": "PHP",
    "฿": "THB",
    "₸": "KZT",
    "₡": "CRC",
    "₲": "PYG",
    "₵": "GHS",
}
#: Codes that no word of a covenant is spelled like; in any case.
_PLAIN_CODES = (
    "usd eur gbp jpy cny inr chf cad aud nzd nok dkk pln czk huf bgn rub uah brl mxn ars clp zar krw sgd hkd twd "
    "thb idr myr php vnd ils aed egp ngn kes pkr bdt lkr kwd qar bhd omr jod tnd dzd ghs tzs ugx xaf xof isk rsd "
    "kzt uzs byn azn amd mdl crc uyu pyg gtq hnl dop jmd ttd mur npr mmk khr fjd pgk zmw etb"
)
#: Codes that are English words too: only in capitals, right beside a number.
CAPITAL_CODES = frozenset(str.split("try ron cop all top cup pen mad sar mop bob gel sek"))
_OTHER = (
    (
        "USD",
        _WHOLE,
        "dollar dollars buck bucks dolar dolares dolary dolarow dollari dollaro dolara usdollar usdollars bux",
    ),
    ("USD", _WHOLE, "$us доллар доллара долларов"),
    ("USD", 250_000, "quarter quarters"),
    ("USD", 100_000, "dime dimes"),
    ("USD", 50_000, "nickel nickels"),
    ("USD", _HUNDREDTH, "cent cents c ¢ penny pennies centavos centesimi цент цента центов"),
    ("EUR", _WHOLE, "euro euros eurs euroa eurow евро"),
    ("EUR", _HUNDREDTH, "eurocent eurocents centimes centime centimos centimo"),
    ("GBP", _WHOLE, "pound pounds quid sterling libras livres pfund sterlina sterline funtow"),
    ("GBP", _HUNDREDTH, "pence p"),
    ("GBP", 10 * _WHOLE, "tenner tenners"),
    ("GBP", 5 * _WHOLE, "fiver fivers"),
    ("JPY", _WHOLE, "yen yens jpy"),
    ("CNY", _WHOLE, "yuan yuans renminbi rmb"),
    ("INR", _WHOLE, "rupee rupees rs"),
    ("INR", _HUNDREDTH, "paise paisa"),
    ("KRW", _WHOLE, "won"),
    ("CHF", _WHOLE, "franc francs franken sfr fr franchi franki frankow"),
    ("CHF", _HUNDREDTH, "rappen"),
    ("BRL", _WHOLE, "real reais reals"),
    ("SEK", _WHOLE, "krona kronor kr"),
    ("SEK", _HUNDREDTH, "ore"),
    ("NOK", _WHOLE, "krone kroner"),
    ("PLN", _WHOLE, "zloty zlotys zlotych zlote zl"),
    ("PLN", _HUNDREDTH, "grosz groszy grosze"),
    ("CZK", _WHOLE, "koruna korun koruny kc"),
    ("HUF", _WHOLE, "forint forints"),
    ("MXN", _WHOLE, "peso pesos"),
    ("ZAR", _WHOLE, "rand rands"),
    ("TRY", _WHOLE, "lira liras"),
    ("ILS", _WHOLE, "shekel shekels"),
    ("RUB", _WHOLE, "ruble rubles rouble roubles рубль рубля рублей руб"),
    ("AED", _WHOLE, "dirham dirhams"),
    ("SAR", _WHOLE, "riyal riyals"),
    ("THB", _WHOLE, "baht"),
    ("VND", _WHOLE, "dong"),
    ("IDR", _WHOLE, "rupiah"),
    ("MYR", _WHOLE, "ringgit"),
    ("UAH", _WHOLE, "hryvnia hryvnias"),
    ("RON", _WHOLE, "lei"),
    ("BGN", _WHOLE, "lev leva"),
    ("NGN", _WHOLE, "naira"),
    ("KES", _WHOLE, "shilling shillings"),
)
#: A word of money -> (code, millionths of the unit).
WORDS: dict[str, tuple[str, int]] = {
    **{code: (code.translate(CAPITALS), _WHOLE) for code in _PLAIN_CODES.split()},
    **{
        code: (code.translate(CAPITALS), _WHOLE)
        for code in str.split("try ron cop all top cup pen mad sar mop bob gel sek")
    },
    **{word: (code, worth) for code, worth, words in _OTHER for word in words.split()},
}
CODES = frozenset((*_PLAIN_CODES.split(), "rmb", "sek"))
#: Words that only mean money after a number; a coin also after "a".
COINS = frozenset(str.split("quarter quarters dime dimes nickel nickels penny pennies tenner tenners fiver fivers"))
DOLLARS = frozenset(str.split("dollar dollars buck bucks dolar dolares dolary dolarow dollari dollaro $"))
CENTS = frozenset(str.split("cent cents ¢ centavos centesimi"))
#: What makes a dollar, a pound, a krone another country's: an adjective before or after, or a country's name after.
_COUNTRIES: dict[str, dict[str, str]] = {
    "dollar": {
        **dict.fromkeys(str.split("us usa american america u.s usd"), "USD"),
        **dict.fromkeys(str.split("australian aussie australia australische aud au"), "AUD"),
        **dict.fromkeys(str.split("canadian canada kanadische canadiens canadienses canadesi cad"), "CAD"),
        **dict.fromkeys(str.split("kiwi nz nzd"), "NZD"),
        **dict.fromkeys(str.split("singapore singaporean sgd"), "SGD"),
        **dict.fromkeys(str.split("taiwan taiwanese twd"), "TWD"),
        **dict.fromkeys(str.split("hkd hongkong"), "HKD"),
    },
    "pound": {
        **dict.fromkeys(str.split("british uk english gbp sterling"), "GBP"),
        **dict.fromkeys(str.split("egyptian egp"), "EGP"),
        **dict.fromkeys(str.split("american us usd dollars"), "USD"),
    },
    "krone": {
        **dict.fromkeys(str.split("danish danske dkk"), "DKK"),
        **dict.fromkeys(str.split("norwegian norske nok"), "NOK"),
        **dict.fromkeys(str.split("swedish svenska sek"), "SEK"),
        **dict.fromkeys(str.split("icelandic isk"), "ISK"),
        **dict.fromkeys(str.split("czech czk"), "CZK"),
    },
    "peso": {
        **dict.fromkeys(str.split("mexican mexicanos mxn"), "MXN"),
        **dict.fromkeys(str.split("argentine argentinian argentinos ars"), "ARS"),
        **dict.fromkeys(str.split("chilean chilenos clp"), "CLP"),
        **dict.fromkeys(str.split("colombian colombianos cop"), "COP"),
        **dict.fromkeys(str.split("philippine filipino php"), "PHP"),
    },
    "franc": {**dict.fromkeys(str.split("swiss schweizer suisses svizzeri suizos szwajcarskich chf"), "CHF")},
    "yen": {
        **dict.fromkeys(str.split("japanese jpy"), "JPY"),
        **dict.fromkeys(str.split("chinese cny rmb yuan"), "CNY"),
    },
    "rupee": {
        **dict.fromkeys(str.split("indian inr"), "INR"),
        **dict.fromkeys(str.split("pakistani pkr"), "PKR"),
        **dict.fromkeys(str.split("nepali npr nepalese"), "NPR"),
    },
    "real": {**dict.fromkeys(str.split("brazilian brl"), "BRL")},
    "euro": {**dict.fromkeys(("eur", "euro", "euros"), "EUR")},
    "rand": {**dict.fromkeys(("african", "zar"), "ZAR")},
    "lira": {**dict.fromkeys(("turkish", "try"), "TRY")},
}
_FAMILIES = {
    "USD": "dollar",
    "GBP": "pound",
    "SEK": "krone",
    "NOK": "krone",
    "MXN": "peso",
    "CHF": "franc",
    "JPY": "yen",
    "INR": "rupee",
    "BRL": "real",
    "EUR": "euro",
    "ZAR": "rand",
    "TRY": "lira",
}
ADJECTIVES = frozenset(word for words in _COUNTRIES.values() for word in words)


def currency_meant(code: str, adjective: str) -> str | None:
    """The currency that an adjective or a code beside the money makes of it; None if the two don't go together."""
    return _COUNTRIES.get(_FAMILIES.get(code, ""), {}).get(adjective)

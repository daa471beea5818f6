"""The words of time, each with how many microseconds it is worth."""

from __future__ import annotations

_MS = 1_000
_S = 1_000_000
_MIN = 60 * _S
_HOUR = 60 * _MIN
_DAY = 24 * _HOUR

_WORDS = (
    (1, "us usec usecs microsecond microseconds mikrosekunden"),
    (
        _MS,
        "ms msec msecs msecond mseconds millisecond milliseconds millis milli millisec millisecs millisekunde "
        "millisekunden millisecondes milliseconde milisegundo milisegundos millisecondi millisecondo milliseconden "
        "milisekund milisekundy",
    ),
    (
        _S,
        "s sec secs second seconds sek sekunde sekunden seconde secondes seg segs segundo segundos secondo secondi "
        "seconden sekunda sekundy sekund sekunder scnds secondes секунда секунды секунд сек 秒",
    ),
    (
        _MIN,
        "m min mins minute minutes minuten minuto minutos minuti minut minuta minuty minuut минута минуты минут мин",
    ),
    (
        _HOUR,
        "h hr hrs hour hours std stunde stunden heure heures hora horas ora ore uur uren godzina godziny godzin "
        "godz час часа часов",
    ),
    (_DAY, "d day days tag tage tagen jour jours dia dias giorno giorni dag dagen dzien dni день дня дней"),
    (7 * _DAY, "week weeks wk wks woche wochen semaine semaines semana semanas settimana settimane weken tydzien"),
    (14 * _DAY, "fortnight fortnights"),
    (30 * _DAY, "month months monat monate mois mes meses mese mesi maand maanden miesiac"),
)
#: A word of time -> its worth in microseconds.
TIME_WORDS: dict[str, int] = {word: worth for worth, words in _WORDS for word in words.split()}
#: One letter, or a word of another kind too: only right behind figures.
AFTER_FIGURES = frozenset(str.split("m h d s us ore ora sek std dag mes dni seg"))
MINUTE, HOUR = _MIN, _HOUR

"""Denials in words: one table of sentences for the seven codes and what they are about, and the form of a reason.

A reason sums up the same denial of many candidates. Its text is for programs and says its units; its sentence is for
people. A value that exceeds a bound is rounded away from it, so that no sentence can say that it met it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from worker.canon import codes
from worker.canon.codes import Denial
from worker.money import usd_text

_MONEY, _TIME, _SHARE = "micro-dollars", "microseconds", "ppm"
#: Stands for every subject of a code that the table does not name, such as a provider.
ANY: Final = "*"
_TEN_MS: Final = 10_000


class Saying(NamedTuple):
    """How a denial is said: of one candidate, whose subject is left out, and of all that share it.

    `{value}` and `{bound}` stand for the numbers, `{subject}` and `{covenant}` for names. `unit`: of both numbers.
    """

    one: str
    all: str
    unit: str = ""


def _money(rest: str) -> Saying:
    said = f"needs up to {{value}}, {rest}"
    return Saying(said, f"the cheapest route {said}", _MONEY)


def _plain(one: str, of_all: str) -> Saying:
    return Saying(one, of_all)


def _windows(who: str, whose: str) -> dict[tuple[str, str], Saying]:
    """The limits of a tenant or a key: one request, an hour, a day, a month, and a user's day."""
    return {
        (codes.COST_BOUND_EXCEEDED, f"{who}_request"): _money(f"{whose} allows {{bound}} for one request"),
        **{
            (codes.COST_BOUND_EXCEEDED, f"{who}_{unit}"): _money(f"{whose} has {{bound}} left in this {unit}")
            for unit in ("hour", "day", "month")
        },
        (codes.COST_BOUND_EXCEEDED, f"{who}_user_day"): _money(f"{whose} leaves this user {{bound}} today"),
    }


_INVARIANTS: Final[Mapping[str, Saying]] = {
    codes.CONTEXT_WINDOW: Saying(
        "has room for {bound} tokens, the request needs up to {value}",
        "the roomiest route has room for {bound} tokens, the request needs up to {value}",
        "tokens",
    ),
    codes.GUARDRAIL_INJECTION: _plain(
        "is closed to it: the prompt reads like an attempt to override a model's instructions",
        "the prompt reads like an attempt to override a model's instructions",
    ),
    codes.GUARDRAIL_PERSONAL_DATA: _plain(
        "is closed to it: the prompt holds personal data or a secret", "the prompt holds personal data or a secret"
    ),
    codes.GUARDRAIL_REDACTION: _plain(
        "is closed to it: the prompt can't be redacted", "the prompt has to be redacted, and this one can't be"
    ),
    codes.MODEL_CAPABILITY: _plain(
        "can't do what the request asks for (tools, JSON, images or the endpoint)",
        "the models can't do what the request asks for (tools, JSON, images or the endpoint)",
    ),
    codes.POLICY_DEADLINE: Saying(
        "needs {value}, the covenant allows {bound}",
        "the fastest route needs {value}, the covenant allows {bound}",
        _TIME,
    ),
    codes.POLICY_REQUIREMENT: _plain(
        "does not attest what the covenant requires", "the providers do not attest what the covenant requires"
    ),
    codes.POLICY_RESIDENCY: _plain(
        "is not known to stay where the covenant wants it",
        "the providers are not known to stay where the covenant wants it",
    ),
    codes.PROVIDER_AVAILABLE: _plain(
        "rests after {value} failures in a row", "the routes rest after {value} failures in a row"
    ),
    codes.PROVIDER_CONFIGURED: _plain("has no provider configured here", "the routes have no provider configured here"),
}

SAYINGS: Final[Mapping[tuple[str, str], Saying]] = MappingProxyType(
    {
        (codes.COST_BOUND_EXCEEDED, "request"): _money("the covenant allows {bound}"),
        (codes.COST_BOUND_EXCEEDED, "tenant"): _money("the tenant's budget has {bound} left"),
        (codes.COST_BOUND_EXCEEDED, "covenant"): _money("{covenant} has {bound} left"),
        **{
            (codes.COST_BOUND_EXCEEDED, unit): _money(f"the covenant has {{bound}} left in this {unit}")
            for unit in ("hour", "day", "month")
        },
        (codes.COST_BOUND_EXCEEDED, "key"): _money("the key's budget has {bound} left"),
        **_windows("tenant", "the tenant"),
        **_windows("key", "the key"),
        (codes.COST_BOUND_EXCEEDED, "per_1m_tokens"): Saying(
            "costs {value} for a million tokens, the covenant allows {bound}",
            "the cheapest route costs {value} for a million tokens, the covenant allows {bound}",
            _MONEY,
        ),
        (codes.COST_BOUND_EXCEEDED, ANY): _money("{subject} has {bound} left"),
        (codes.RISK_BOUND_EXCEEDED, "max_risk_ppm"): Saying(
            "has a risk of {value}, the priority tolerates {bound}",
            "the safest route has a risk of {value}, the priority tolerates {bound}",
            _SHARE,
        ),
        (codes.RISK_BOUND_EXCEEDED, "private_pool"): _plain(
            "is shared, the priority wants a private pool", "the routes are shared, the priority wants a private pool"
        ),
        (codes.RISK_BOUND_EXCEEDED, ANY): _plain(
            "is riskier than is tolerated", "the routes are riskier than tolerated"
        ),
        (codes.SUCCESS_PROB_TOO_LOW, ANY): Saying(
            "succeeds with a chance of {value}, the quality wanted needs {bound}",
            "the likeliest route succeeds with a chance of {value}, the quality wanted needs {bound}",
            _SHARE,
        ),
        (codes.AUTHORITY_BOUNDARY_FAIL, ANY): _plain(
            "may not be used by you ({subject})", "{subject} may not be used by you"
        ),
        (codes.MISSING_CANON_PREREQS, ANY): _plain(
            "cites a {subject} that is not in force", "the {subject} that the routes cite is not in force"
        ),
        (codes.NON_INTERFERENCE_VIOLATION, ANY): _plain(
            "would harm another tenant's committed work", "the routes would harm another tenant's committed work"
        ),
        **{(codes.INVARIANT_VIOLATION, invariant): saying for invariant, saying in _INVARIANTS.items()},
        (codes.INVARIANT_VIOLATION, ANY): _plain("breaks the rule {subject}", "the rule {subject} would be broken"),
    }
)
_REASON: Final = r"([A-Z_]+): ([^ ]+)(?: \((-?[0-9]+) against (-?[0-9]+)(?: [a-z-]+)?\))? \[([0-9]+) of ([0-9]+)\]"


class Reason(NamedTuple):
    """The same denial of `denied` out of `routes` candidates, with the value that came nearest to the bound."""

    code: str
    subject: str
    bound: int
    value: int
    denied: int
    routes: int

    @property
    def head(self) -> str:
        """`CODE: subject`, by which a reason is known."""
        return f"{self.code}: {self.subject}"

    def to_text(self) -> str:
        """`CODE: subject (value against bound unit) [denied of routes]`."""
        unit = saying_of(self.code, self.subject).unit
        numbers = f" ({self.value} against {self.bound} {unit}".rstrip() + ")" if self.bound or self.value else ""
        return f"{self.head}{numbers} [{self.denied} of {self.routes}]"

    def sentence(self, covenant_id: str = "") -> str:
        """What it says in words, and then its code. Args: covenant_id: the stored covenant of the request, if any."""
        said = _filled(saying_of(self.code, self.subject), True, self.subject, self.bound, self.value, covenant_id)
        return f"{said} ({self.head}, {self.denied} of {self.routes} routes)"


def reason_from_text(text: str) -> Reason:
    """The reason that `Reason.to_text` wrote. Raises: ValueError."""
    found = re.fullmatch(_REASON, text)
    if found is None:
        raise ValueError("a reason reads CODE: subject (value against bound unit) [denied of routes]")
    code, subject, value, bound, denied, routes = found.groups()
    return Reason(code, subject, int(bound or 0), int(value or 0), int(denied), int(routes))


def reason_sentence(text: str, covenant_id: str = "") -> str:
    """A reason's text as a sentence with its code; what is no reason of ours stays as it is."""
    try:
        return reason_from_text(text).sentence(covenant_id)
    except ValueError:
        return text


def denial_sentence(denial: Denial) -> str:
    """Why one candidate is denied, its subject left out: `needs 0.51 s, the covenant allows 0.01 s`."""
    return _filled(saying_of(denial.code, denial.subject), False, denial.subject, denial.bound, denial.value, "")


def nearest_value(found: Sequence[tuple[int, bool]], bound: int) -> int:
    """The value nearest to the bound, of those that nothing else stands against, or of all if there is none such.

    Args: found: values, at least one, each with whether its candidate is denied by this code alone.
    """
    alone = [value for value, is_alone in found if is_alone]
    return min(alone or [value for value, _ in found], key=lambda value: abs(value - bound))


def saying_of(code: str, subject: str) -> Saying:
    """The row of the table that speaks of this denial; a code that is none of the seven is said as it is."""
    return SAYINGS.get((code, subject)) or SAYINGS.get((code, ANY)) or Saying("is denied", "the routes are denied")


def _filled(saying: Saying, is_of_all: bool, subject: str, bound: int, value: int, covenant_id: str) -> str:
    template = saying.all if is_of_all else saying.one
    is_over = value > bound
    return template.format(
        subject=subject,
        covenant=f"the stored covenant {covenant_id}" if covenant_id else "the stored covenant",
        value=_told(value, saying.unit, is_over),
        bound=_told(bound, saying.unit, False),
    )


def _told(number: int, unit: str, is_over: bool) -> str:
    """A number as a person reads it; a time that exceeds its bound is rounded up to 10 ms."""
    if unit == _MONEY:
        return f"${usd_text(number)}"
    if unit == _TIME:
        return f"{usd_text(-(-number // _TEN_MS) * _TEN_MS if is_over else number)} s"
    if unit == _SHARE:
        return f"{usd_text(number * 100)} %"
    return str(number)

"""Decides the exact value of an arithmetic expression in a prompt; nothing is evaluated but the four operations,
percentages, brackets and whole powers, on exact fractions.

Grammar: sum = product (("+" | "-") product)*; product = power (("*" | "/") power)*; power = sign ("^" power)?;
sign = ("+" | "-") sign | number "%"? | "(" sum ")" "%"?.
"""

from __future__ import annotations

import re
from fractions import Fraction

from gateway.simulator.prompt import Prompt
from gateway.simulator.sentence import fold, words

_MAX_DIGITS = 40
_MAX_TOKENS = 200
_MAX_POWER = 256
_MAX_BITS = 4_096
_MAX_DECIMALS = 12
_ABOUT_DECIMALS = 6

_WORDS = (
    (re.compile(r"\bmultiplied by\b|\btimes\b|[x×·∙](?=\s*[-(0-9])"), "*"),
    (re.compile(r"\bdivided by\b|\bover\b|÷"), "/"),
    (re.compile(r"\bplus\b"), "+"),
    (re.compile(r"\bminus\b|−"), "-"),
    (re.compile(r"\bto the power of\b|\*\*"), "^"),
    (re.compile(r"(?<=[0-9])\s*percent\b"), "%"),
    (re.compile(r"(?<=%)\s+of\b"), "*"),
    (re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))"), ""),
    (re.compile(r"(?<![0-9.,])\$(?=[0-9])"), ""),
)
_TOKEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+|[-+*/^()%])")
_EXPRESSION = re.compile(r"[-+(.0-9][-+*/^()%.0-9\s]*[)%0-9]")
_DATE_LIKE = re.compile(r"^[0-9]{1,4}(?:[-/.][0-9]{1,4}){2}$|^[0-9]+(?:-|\s-\s)[0-9]+$|^[+0-9][0-9]*(?:-[0-9]+)+$")

_ORDERS_VALUE = re.compile(r"^(?:please |now |can you |could you )*(?:calculate|compute|evaluate|solve|work out)\b")
_PLAIN_TEXT = (
    "what what's whats is the value result sum product of how much does do equal equals please tell me and answer to "
    "hi hello hey can you plus minus times multiplied divided by over percent power x so now question q give "
    "quick"
)
_PLAIN = frozenset(_PLAIN_TEXT.split())


class UnreadableExpression(ValueError):
    """Not an expression of this grammar, larger than the limits, or a division by zero; the message says which."""


def find_expression(text: str) -> str | None:
    """The longest expression with an operator in `text`, or None; dates and ranges aren't expressions."""
    plain = fold(text)
    for pattern, symbol in _WORDS:
        plain = pattern.sub(symbol, plain)
    best: str | None = None
    for match in _EXPRESSION.finditer(plain):
        candidate = match.group().strip()
        balanced = candidate.count("(") == candidate.count(")")
        operator = re.search(r"[0-9)%]\s*[-+*/^]\s*[-+(.0-9]", candidate)
        if not balanced or not operator or _DATE_LIKE.match(candidate):
            continue
        if best is None or len(candidate) > len(best):
            best = candidate
    return re.sub(r"(?<=[0-9)%]) ?([-+*/^]) ?", r" \1 ", " ".join(best.split())) if best else None


def evaluate(expression: str) -> Fraction:
    """The exact value of `expression`. Raises: UnreadableExpression."""
    tokens: list[str] = []
    position = 0
    stripped = expression.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None or len(match.group(1)) > _MAX_DIGITS or len(tokens) >= _MAX_TOKENS:
            raise UnreadableExpression("it isn't an expression this simulator can read")
        tokens.append(match.group(1))
        position = match.end()
    parser = _Parser(tokens)
    value = parser.read_sum()
    if parser.position != len(tokens):
        raise UnreadableExpression("it isn't an expression this simulator can read")
    return value


class _Parser:
    """Recursive descent over at most _MAX_TOKENS tokens."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.position = 0

    def _take(self, wanted: str) -> str | None:
        token = self.tokens[self.position] if self.position < len(self.tokens) else ""
        if token and token in wanted:
            self.position += 1
            return token
        return None

    def read_sum(self) -> Fraction:
        value = self._read_product()
        while sign := self._take("+-"):
            other = self._read_product()
            value = _bounded(value + other if sign == "+" else value - other)
        return value

    def _read_product(self) -> Fraction:
        value = self._read_power()
        while sign := self._take("*/"):
            other = self._read_power()
            if sign == "/" and other == 0:
                raise UnreadableExpression("it divides by zero")
            value = _bounded(value * other if sign == "*" else value / other)
        return value

    def _read_power(self) -> Fraction:
        # As in mathematics, -2^2 is -(2^2).
        if sign := self._take("+-"):
            value = self._read_power()
            return -value if sign == "-" else value
        base = self._read_atom()
        if not self._take("^"):
            return base
        exponent = self._read_power()
        if exponent.denominator != 1 or abs(exponent) > _MAX_POWER:
            raise UnreadableExpression(f"its exponent isn't a whole number of at most {_MAX_POWER}")
        if base == 0 and exponent < 0:
            raise UnreadableExpression("it divides by zero")
        return _bounded(Fraction(base ** int(exponent)))

    def _read_atom(self) -> Fraction:
        if self._take("("):
            value = self.read_sum()
            if not self._take(")"):
                raise UnreadableExpression("it isn't an expression this simulator can read")
        elif self.position < len(self.tokens) and self.tokens[self.position][0] in ".0123456789":
            value = Fraction(self.tokens[self.position])
            self.position += 1
        else:
            raise UnreadableExpression("it isn't an expression this simulator can read")
        while self._take("%"):
            value /= 100
        return value


def _bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() + value.denominator.bit_length() > _MAX_BITS:
        raise UnreadableExpression("its value is too large")
    return value


def to_text(value: Fraction) -> str:
    """`value` as a decimal number, exact where it ends within 12 decimals, else marked with "about"."""
    decimals = _MAX_DECIMALS
    exact = (value * 10**decimals).denominator == 1
    if not exact:
        decimals = _ABOUT_DECIMALS
    scaled = (abs(value.numerator) * 10**decimals * 2 + value.denominator) // (value.denominator * 2)
    whole, part = divmod(scaled, 10**decimals)
    digits = f"{part:0{decimals}d}".rstrip("0")
    text = ("-" if value < 0 else "") + str(whole) + (f".{digits}" if digits else "")
    return text if exact else f"about {text}"


def answer_arithmetic(prompt: Prompt) -> str | None:
    """The value of the expression the request consists of; None if it asks for more than a value, or has none."""
    expression = find_expression(prompt.request) if prompt.request else None
    if expression is None:
        return None
    low = fold(prompt.request)
    others = frozenset(word for word in words(low) if word[0] not in "0123456789")
    if not _ORDERS_VALUE.match(low) and not others <= _PLAIN:
        return None
    try:
        return f"{expression} = {to_text(evaluate(expression))}"
    except UnreadableExpression as error:
        return f"{expression} has no value here: {error}."

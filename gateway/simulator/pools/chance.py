"""Random integers from one seed, equal on every Python: only `getrandbits` of the Mersenne twister is relied on.

No float is made on the way: a logarithm that differed in its last bit between two hosts would make two runs differ.
"""

from __future__ import annotations

from random import Random
from typing import Final

from worker.canon.fixed_point import neg_ln_micronats

_MILLION: Final = 1_000_000


class Chance:
    """A stream of random integers."""

    def __init__(self, seed: int) -> None:
        self._bits = Random(seed).getrandbits

    def below(self, limit: int) -> int:
        """Uniform in 0..limit-1; `limit` is at least 1."""
        width = limit.bit_length()
        found = self._bits(width)
        while found >= limit:
            found = self._bits(width)
        return found

    def exponential_us(self, mean_us: int) -> int:
        """An exponential time with the given mean; its tail ends at 13.8 means, where the millionths end."""
        return mean_us * neg_ln_micronats(self.below(_MILLION) + 1) // _MILLION

    def normal_ppm(self) -> int:
        """About normal with mean 0 and deviation 1,000,000: the sum of twelve uniform numbers, so within 6 of them."""
        return sum([self.below(_MILLION + 1) for _ in range(12)]) - 6 * _MILLION

    def lognormal_us(self, median_us: int, sigma_ppm: int) -> int:
        """A lognormal time of the given median; `sigma_ppm`: deviation of its logarithm."""
        return median_us * exp_ppm(self.normal_ppm() * sigma_ppm // _MILLION) // _MILLION


def exp_ppm(exponent_ppm: int) -> int:
    """e to the power of `exponent_ppm` millionths, in ppm; exact to 2 millionths of itself for |exponent| up to 20."""
    # e^x = (e^(x/2^8))^(2^8): the series converges in a few terms, in 80 bits of fraction.
    one = 1 << 80
    x = (exponent_ppm << 80) // _MILLION >> 8
    term = total = one
    for count in range(1, 14):
        term = term * x // (count << 80)
        total += term
    for _ in range(8):
        total = total * total >> 80
    return total * _MILLION >> 80

"""-ln p in integers: the penalty a candidate pays for the chance that it fails.

`math.log` may differ in its last bit from host to host, and a decision must not; this routine uses integers only and
its result is the exact value rounded to the nearest micro-nat, for every input it accepts.

Method: p = 2^e * m with 64 <= 64 * m < 128; ln of the first seven bits of m comes from a table, and what is left is
1 + z with 0 <= z < 1/64, whose logarithm is 2 * atanh(s) with s = z / (2 + z) < 1/128. Three terms of that series
leave an error below 2^-49, far less than the distance of any of the million exact values from a rounding boundary.
"""

from __future__ import annotations

from typing import Final

_PPM: Final = 1_000_000
_FRACTION_BITS: Final = 64
_HALF: Final = 1 << (_FRACTION_BITS - 1)
# All in units of 2^-64 nats, to the nearest: ln 2, ln 10^6, and ln(i / 64) for i in 64..127.
_LN_2: Final = 0xB17217F7D1CF79AC
_LN_PPM: Final = 0xDD0C54CC7FFD02226
_LN_SIXTYFOURTHS: Final = (
    0x0000000000000000, 0x03F815161F807C7A, 0x07E0A6C39E0CC013, 0x0BBA2C7B196E7E23,
    0x0F85186008B15331, 0x1341D7961BD1D093, 0x16F0D28AE56B4B9C, 0x1A926D3A4AD56365,
    0x1E27076E2AF2E5EA, 0x21AEFCF9A11CB2CD, 0x252AA5F03FEA4698, 0x289A56D996FA3CD0,
    0x2BFE60E14F27A791, 0x2F57120421B21238, 0x32A4B539E8AD68ED, 0x35E7929D017FE5B2,
    0x391FEF8F35344358, 0x3C4E0EDC55E5CBD4, 0x3F7230DABC7C551B, 0x428C9389CE438D7E,
    0x459D72AEAE98380E, 0x48A507EF3DE59689, 0x4BA38AEB8474C271, 0x4E993155A517A71D,
    0x51862F08717B09F4, 0x546AB61CB7E0B427, 0x5746F6FD60272942, 0x5A1B207A6C52BB11,
    0x5CE75FDAEF401A74, 0x5FABE0EE0ABF0D93, 0x6268CE1B05096AD7, 0x651E5070845BEAE9,
    0x67CC8FB2FE612FCB, 0x6A73B26A68212635, 0x6D13DDEF323D8A33, 0x6FAD36769C6DEFDE,
    0x723FDF1E6A6886B1, 0x74CBF9F803AF5587, 0x7751A813071282FC, 0x79D109875A1E1F8E,
    0x7C4A3D7EBC1BB2CD, 0x7EBD623DE3CC7B67, 0x812A952D2E87F635, 0x8391F2E0E6FA0273,
    0x85F39721295415B5, 0x884F9CF16A64B7EF, 0x8AA61E97A6AF4D4C, 0x8CF735A33E4B7663,
    0x8F42FAF3820681EF, 0x918986BDF5FA1417, 0x93CAF0944D88D75C, 0x96074F6A24745DCC,
    0x983EB99A7885F0FE, 0x9A7144ECE70E98B7, 0x9C9F069AB150CD4E, 0x9EC813538AB7D520,
    0xA0EC7F4233957323, 0xA30C5E10E2F613E8, 0xA527C2ED81F5D811, 0xA73EC08DBADD84E6,
    0xA9516932DE2D5774, 0xAB5FCEAD9F9CCA09, 0xAD6A0261ACF967D9, 0xAF70154920B3AB87,
)  # fmt: skip


def neg_ln_micronats(p_ppm: int) -> int:
    """-ln(p_ppm / 10^6) in micro-nats, correctly rounded to the nearest integer.

    p_ppm: a probability in parts per million, 1 to 1,000,000. Raises: ValueError outside that range.
    """
    if not 1 <= p_ppm <= _PPM:
        raise ValueError(f"a probability must be 1 to {_PPM} parts per million, not {p_ppm}")
    exponent = p_ppm.bit_length() - 1
    mantissa = p_ppm << (19 - exponent)  # 2^19 <= mantissa < 2^20: the seven leading bits and thirteen more
    low = mantissa & 0x1FFF
    # s = z / (2 + z) with z = low / high and high = mantissa - low.
    s = (low << _FRACTION_BITS) // (2 * mantissa - low)
    square = s * s >> _FRACTION_BITS
    series = s + (s * (square // 3 + (square * square // 5 >> _FRACTION_BITS)) >> _FRACTION_BITS)
    ln_p = exponent * _LN_2 + _LN_SIXTYFOURTHS[(mantissa >> 13) - 64] + 2 * series
    return ((_LN_PPM - ln_p) * _PPM + _HALF) >> _FRACTION_BITS

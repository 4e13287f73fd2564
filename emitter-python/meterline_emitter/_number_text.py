"""Numbers as text, and sums without rounding."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from numbers import Integral

SAFE_INTEGER_MAX = 2**53 - 1
_FRACTION_DIGITS = 9
_DECIMAL = re.compile(r"([0-9]{1,29})(?:\.([0-9]{1,9}))?")
# A float with more digits may have been rounded already; an integer is exact up to 2**53.
_EXACT_DIGITS_MAX = 15
# A longer number is none that the service accepts, and would only cost memory if it was written in full.
_WRITTEN_IN_FULL_MAX = 100


def plain_integer(value: object) -> object:
    """An int instead of an integer of another library, such as NumPy; every other value as it is."""
    return int(value) if isinstance(value, Integral) and not isinstance(value, int) else value


def decimal_text(value: Decimal) -> str:
    """All digits of a Decimal, without an exponent if that is not absurdly long."""
    if value.is_finite() and abs(value.adjusted()) > _WRITTEN_IN_FULL_MAX:
        return str(value)
    return format(value, "f")


def float_text(value: float) -> str:
    """A float as JavaScript writes it: the shortest digits that give the same float, in full from 1e-6 to 1e21."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    exact = Decimal(float.__repr__(value)).normalize()
    exponent = exact.adjusted()
    if -7 < exponent < 21:
        return format(exact, "f")
    digits = "".join(map(str, exact.as_tuple().digits))
    sign = "-" if value < 0 else ""
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{exponent:+d}"


def parse_billionths(value: object) -> int | None:
    """A quantity in billionths, in which sums are exact. None if it is not a decimal that the service accepts."""
    value = plain_integer(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        return None
    text = _text_of(value)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    is_safe_integer = isinstance(value, float) and value.is_integer() and value <= SAFE_INTEGER_MAX
    if isinstance(value, float) and not is_safe_integer and len(text.replace(".", "").lstrip("0")) > _EXACT_DIGITS_MAX:
        return None
    return int(match[1] + (match[2] or "").ljust(_FRACTION_DIGITS, "0"))


def format_billionths(billionths: int) -> str:
    """The shortest text of a sum."""
    whole, fraction = divmod(billionths, 10**_FRACTION_DIGITS)
    digits = f"{fraction:09d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


def _text_of(value: object) -> str:
    if isinstance(value, float):
        return float_text(value)
    return decimal_text(value) if isinstance(value, Decimal) else str(value)

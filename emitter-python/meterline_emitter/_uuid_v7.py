"""Ids that sort by time (RFC 9562, 5.7)."""

from __future__ import annotations

import os

_HALF = 1 << 63


def uuid_v7(now_ms: int) -> str:
    """48 bits of milliseconds since 1970, then 74 random bits. Random bits come from the system, also after a fork."""
    random = os.urandom(10)
    high = int.from_bytes(random[:2], "big") & 0x0FFF
    low = int.from_bytes(random[2:], "big") & (_HALF - 1) & ~(1 << 62) | _HALF
    text = f"{max(0, now_ms):012x}7{high:03x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

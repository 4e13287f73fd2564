"""How long to wait before the next attempt."""

from __future__ import annotations

import re
from datetime import timezone
from email.utils import parsedate_to_datetime

_FIRST_DELAY_MS = 500
_DELAY_MS_MAX = 30_000
# A longer Retry-After is not waited for: the service may be back earlier, and the buffer is limited.
_RETRY_AFTER_MS_MAX = 3_600_000


def retry_delay_ms(attempt: int, retry_after_ms: int | None, random: float) -> int:
    """
    After the attempt with this number (1 is the first): the time of Retry-After if the answer has one, else a delay
    that doubles from 0.5 s to 30 s, of which `random` (0 to 1) leaves half to all, so that many emitters do not return
    together.
    """
    if retry_after_ms is not None and retry_after_ms > 0:
        return min(retry_after_ms, _RETRY_AFTER_MS_MAX)
    # 2 ** 10 is past the maximum.
    delay_ms = min(_FIRST_DELAY_MS * 2 ** min(attempt - 1, 10), _DELAY_MS_MAX)
    return int(delay_ms * (0.5 + random / 2) + 0.5)


def read_retry_after_ms(header: str | None, now_ms: int) -> int | None:
    """Retry-After is a number of seconds or a date (RFC 9110, 10.2.3). None if it is missing or neither."""
    if header is None:
        return None
    if re.fullmatch(r"\s*[0-9]{1,12}\s*", header):
        return int(header) * 1000
    try:
        at = parsedate_to_datetime(header)
    except (TypeError, ValueError, IndexError):
        return None
    at_utc = at if at.tzinfo is not None else at.replace(tzinfo=timezone.utc)
    return max(0, int(at_utc.timestamp() * 1000) - now_ms)

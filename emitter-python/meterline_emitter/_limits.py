"""The limits of an emitter."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .event import BODY_BYTES_MAX, EVENTS_PER_REQUEST_MAX

_LEAST = {"batch_age_ms": 0}
_GREATEST = {"batch_events_max": EVENTS_PER_REQUEST_MAX, "batch_bytes_max": BODY_BYTES_MAX}


@dataclass(frozen=True)
class Limits:
    """Raises ValueError for a limit that makes no sense."""

    batch_events_max: int
    batch_bytes_max: int
    batch_age_ms: int
    requests_max: int
    buffer_events_max: int
    buffer_bytes_max: int
    attempt_timeout_ms: int
    refused_retry_ms: int
    sum_every_ms: int
    sum_pairs_max: int

    def __post_init__(self) -> None:
        for field in fields(self):
            require_whole_number(field.name, getattr(self, field.name))


def require_whole_number(name: str, value: object) -> None:
    least = _LEAST.get(name, 1)
    greatest = _GREATEST.get(name, 2**53 - 1)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= greatest:
        raise ValueError(f"{name} must be a whole number from {least} to {greatest}, not {value!r}.")

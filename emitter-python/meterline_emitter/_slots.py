"""
A slot is the part of a UTC day in which one sample or one sum falls. Slots begin at midnight, so that none belongs to
two days, and are the same in every process.
"""

from __future__ import annotations

from ._event_text import timestamp_text

_DAY_MS = 86_400_000


def slot_start_ms(now_ms: int, every_ms: int) -> int:
    day_ms = now_ms // _DAY_MS * _DAY_MS
    return day_ms + (now_ms - day_ms) // every_ms * every_ms


def next_slot_ms(now_ms: int, every_ms: int) -> int:
    midnight_ms = (now_ms // _DAY_MS + 1) * _DAY_MS
    return min(slot_start_ms(now_ms, every_ms) + every_ms, midnight_ms)


def slot_event_id(metric: str, every_ms: int, start_ms: int) -> str:
    """
    The id of a sample. With the project, which is the other half of an event's identity, it says what was sampled and
    when: of two processes that sample the same slot only one is counted.
    """
    return f"gauge/{metric}/{every_ms}/{timestamp_text(start_ms)}"

"""The events that have no outcome yet, the oldest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple


class StoredEvent(NamedTuple):
    text: bytes
    added_ms: float
    """Of the monotonic clock."""


class MemoryStore:
    """
    Holds events up to two limits. The event that does not fit is dropped, which is the newest: what was accepted is
    never displaced. Events that are being sent count until they have their outcome. The caller holds the lock.
    """

    def __init__(self, events_max: int, bytes_max: int) -> None:
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._waiting: deque[StoredEvent] = deque()
        self._events = 0
        self._bytes = 0
        self.waiting_bytes = 0

    @property
    def waiting_events(self) -> int:
        """Without those that were taken."""
        return len(self._waiting)

    @property
    def events_without_outcome(self) -> int:
        return self._events

    @property
    def oldest_ms(self) -> float | None:
        return self._waiting[0].added_ms if self._waiting else None

    def add(self, event: StoredEvent) -> bool:
        """False if the event does not fit."""
        size = len(event.text)
        if self._events + 1 > self._events_max or self._bytes + size > self._bytes_max:
            return False
        self._waiting.append(event)
        self._events += 1
        self._bytes += size
        self.waiting_bytes += size
        return True

    def take(self, events_max: int, bytes_max: int) -> list[StoredEvent]:
        """The oldest events, at least one if there is one: those that fit into a body of bytes_max."""
        taken: list[StoredEvent] = []
        # The brackets; each event has a comma, except the last.
        body_bytes = 1
        while self._waiting and len(taken) < events_max:
            size = len(self._waiting[0].text)
            if taken and body_bytes + size + 1 > bytes_max:
                break
            body_bytes += size + 1
            self.waiting_bytes -= size
            taken.append(self._waiting.popleft())
        return taken

    def forget(self, events: Sequence[StoredEvent]) -> None:
        """Taken events that have their outcome."""
        self._events -= len(events)
        self._bytes -= sum(len(event.text) for event in events)

    def take_all(self) -> list[StoredEvent]:
        return self.take(len(self._waiting), self._bytes_max + self._events_max + 1)

"""Sums increments per project, metric and labels, and emits each sum as one event at the end of a slot."""

from __future__ import annotations

from collections.abc import Mapping
from threading import RLock
from typing import Any, Callable

from ._limits import Limits
from ._loop import Loop, Timer
from ._number_text import format_billionths, parse_billionths
from ._slots import next_slot_ms, slot_start_ms

# A metric and its labels, sorted by key.
Key = tuple[str, tuple[tuple[str, str], ...]]
Emit = Callable[[Mapping[str, Any]], object]


class Sums:
    """Every method may be called from any thread."""

    def __init__(self, limits: Limits, loop: Loop, emit: Emit) -> None:
        self._limits = limits
        self._loop = loop
        self._emit = emit
        self._lock = RLock()
        self._by_project: dict[str, dict[Key, int]] = {}
        self._pairs = 0
        self._slot_ms = 0
        self._timer: Timer | None = None

    def add(self, increment: Mapping[str, Any]) -> None:
        """An increment that is not a decimal is emitted alone, so that the service rejects it with the reason."""
        project_id, metric, value = increment["project_id"], increment["metric"], increment.get("value")
        billionths = parse_billionths(1 if value is None else value)
        labels = increment.get("labels")
        if billionths is None:
            self._emit({"project_id": project_id, "metric": metric, "value": value, "labels": labels})
            return
        with self._lock:
            self._add(project_id, (metric, tuple(sorted((labels or {}).items()))), billionths)

    def flush(self) -> None:
        """Emits all sums now, with the beginning of the slot as their time."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            by_project, self._by_project = self._by_project, {}
            self._pairs = 0
            slot_ms = self._slot_ms
        for project_id, sums in by_project.items():
            for (metric, labels), billionths in sums.items():
                event = {"project_id": project_id, "metric": metric, "timestamp": slot_ms, "labels": dict(labels) or None}
                self._emit({**event, "value": format_billionths(billionths)})

    def _add(self, project_id: str, key: Key, billionths: int) -> None:
        now_ms = self._loop.now_ms()
        slot_ms = slot_start_ms(now_ms, self._limits.sum_every_ms)
        is_new = key not in self._by_project.get(project_id, {})
        # A timer may be late, and the sum must not get into another day.
        if slot_ms != self._slot_ms or (is_new and self._pairs >= self._limits.sum_pairs_max):
            self.flush()
            is_new = True
        sums = self._by_project.setdefault(project_id, {})
        sums[key] = sums.get(key, 0) + billionths
        self._pairs += is_new
        if self._timer is None:
            self._slot_ms = slot_ms
            self._timer = self._loop.call_later(next_slot_ms(now_ms, self._limits.sum_every_ms) - now_ms, self.flush)

"""Samples gauges, each on its interval. A slot that passes without a sample is a gap, never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ._loop import Call, Loop, Timer
from ._slots import next_slot_ms, slot_event_id, slot_start_ms

Emit = Callable[[Mapping[str, Any]], object]


class Gauge:
    """A level that is sampled until stop()."""

    def __init__(self, project_id: str, metric: str, every_ms: int, read: Callable[[], object]) -> None:
        self.project_id = project_id
        self.metric = metric
        self.every_ms = every_ms
        self.read = read
        self.timer: Timer | None = None
        self.is_stopped = False
        self.is_reading = False

    def stop(self) -> None:
        self.is_stopped = True
        if self.timer is not None:
            self.timer.cancel()


class Gauges:
    def __init__(self, loop: Loop, emit: Emit, on_problem: Callable[[str], None]) -> None:
        self._loop = loop
        self._emit = emit
        self._on_problem = on_problem
        self._gauges: list[Gauge] = []

    def start(self, gauge: Gauge) -> Call:
        """Returns what stops it."""
        self._gauges.append(gauge)
        self._wait(gauge)

        def stop() -> None:
            gauge.stop()
            if gauge in self._gauges:
                self._gauges.remove(gauge)

        return stop

    def stop_all(self) -> None:
        for gauge in self._gauges:
            gauge.stop()

    def _wait(self, gauge: Gauge) -> None:
        now_ms = self._loop.now_ms()
        slot_ms = next_slot_ms(now_ms, gauge.every_ms)
        if not gauge.is_stopped:
            gauge.timer = self._loop.call_later(slot_ms - now_ms, lambda: self._sample(gauge, slot_ms))

    def _sample(self, gauge: Gauge, slot_ms: int) -> None:
        now_ms = self._loop.now_ms()
        if now_ms < slot_ms:
            # The clock was set back, or the timer was early: this is still the previous slot, which has its sample.
            gauge.timer = self._loop.call_later(slot_ms - now_ms, lambda: self._sample(gauge, slot_ms))
            return
        self._wait(gauge)
        if gauge.is_reading:
            self._report(gauge, "the previous read has not ended, so this slot has no sample.")
            return
        gauge.is_reading = True
        start_ms = slot_start_ms(now_ms, gauge.every_ms)
        try:
            self._loop.run_apart(lambda: self._read(gauge, start_ms))
        except RuntimeError as error:
            gauge.is_reading = False
            self._report(gauge, repr(error))

    def _read(self, gauge: Gauge, start_ms: int) -> None:
        """Not in the loop, because a read may take long."""
        try:
            value = gauge.read()
        except Exception as error:
            message = repr(error)
            self._loop.call_soon(lambda: self._report(gauge, message))
        else:
            self._emit(
                {
                    "project_id": gauge.project_id,
                    "metric": gauge.metric,
                    "value": value,
                    "timestamp": start_ms,
                    "event_id": slot_event_id(gauge.metric, gauge.every_ms, start_ms),
                }
            )
        finally:
            gauge.is_reading = False

    def _report(self, gauge: Gauge, message: str) -> None:
        self._on_problem(f"gauge {gauge.metric} of {gauge.project_id}: {message}")

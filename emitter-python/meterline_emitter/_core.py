"""The emitter without its threads: every rule of it, on any loop and any transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ._event_text import text_of_correction, text_of_event
from ._gauges import Gauge, Gauges
from ._limits import Limits
from ._loop import Call, Loop
from ._memory_store import StoredEvent
from ._post_over_http import PostOverHttp, Transport
from ._sender import Sender
from ._sums import Sums
from ._uuid_v7 import uuid_v7
from .reports import Hooks, Problem, Reports, Totals


# Writes a record as JSON, given its event_id and the time in ms.
TextOf = Callable[[Mapping[str, Any], object, int], bytes]


@dataclass(frozen=True)
class Closed:
    """The totals since the start, when the emitter ended."""

    delivered: int
    rejected: int
    dropped: int
    spooled: int = 0
    """Always 0: this emitter has no spool on disk."""


@dataclass(frozen=True)
class Settings:
    url: str
    key: str
    limits: Limits
    hooks: Hooks
    random: Callable[[], float]


class Core:
    """Every method may be called from any thread."""

    def __init__(self, settings: Settings, loop: Loop, transport: Transport) -> None:
        self._loop = loop
        self._reports = Reports(settings.hooks, loop)
        post = PostOverHttp(settings.url, settings.key, settings.limits.attempt_timeout_ms, loop, transport)
        self._sender = Sender(settings.limits, loop, post, settings.random, self._reports)
        self._sums = Sums(settings.limits, loop, self.emit)
        self._gauges = Gauges(loop, self.emit, lambda message: self._reports.problem(Problem("gauge_failed", message)))
        self._is_closing = False
        self._is_closed = False

    @property
    def totals(self) -> Totals:
        reports = self._reports
        waiting = self._sender.events_without_outcome
        return Totals(reports.delivered_events, reports.rejected_events, reports.dropped_events, waiting)

    def emit(self, event: Mapping[str, Any]) -> str | None:
        return self._store(event, text_of_event)

    def correct(self, correction: Mapping[str, Any]) -> str | None:
        return self._store(correction, text_of_correction)

    def _store(self, record: Mapping[str, Any], text_of: TextOf) -> str | None:
        try:
            now_ms = self._loop.now_ms()
            event_id = record.get("event_id")
            if event_id is None:
                event_id = uuid_v7(now_ms)
            text = text_of(record, event_id, now_ms)
            event_to_send = StoredEvent(text, self._loop.monotonic_ms())
            dropped = "closed" if self._is_closed else self._sender.add(event_to_send)
            if dropped is None:
                return str(event_id)
            self._reports.dropped([text], dropped)
        except Exception as error:
            self._reports.unreadable(error)
        return None

    def add(self, increment: Mapping[str, Any]) -> None:
        try:
            if self._is_closing:
                value = increment.get("value")
                self.emit({**increment, "value": 1 if value is None else value})
            else:
                self._sums.add(increment)
        except Exception as error:
            self._reports.unreadable(error)

    def gauge(self, gauge: Gauge) -> Call:
        return self._gauges.start(gauge)

    def flush(self, done: Call) -> None:
        """Calls `done` when everything emitted so far has its outcome."""
        self._sums.flush()
        self._sender.flush(done)

    def close(self, timeout_ms: int, done: Callable[[Closed], None]) -> None:
        """Flushes for at most timeout_ms, then gives up, and calls `done`. Only once."""
        self._is_closing = True
        self._gauges.stop_all()
        self._sums.flush()
        self._is_closed = True
        is_ended = False

        def end() -> None:
            nonlocal is_ended
            if is_ended:
                return
            is_ended = True
            timer.cancel()
            self._reports.dropped([event.text for event in self._sender.stop()], "not_delivered")
            # After what was dropped is reported.
            self._loop.call_soon(lambda: done(self._closed()))

        timer = self._loop.call_later(timeout_ms, end)
        self._sender.flush(end)

    def end(self) -> None:
        """Ends it without events: every event is dropped from here on."""
        self._is_closing = True
        self._is_closed = True

    def _closed(self) -> Closed:
        totals = self.totals
        return Closed(totals.delivered, totals.rejected, totals.dropped)

"""The emitter with its threads: what an application uses."""

from __future__ import annotations

import random
import re
import threading
from types import TracebackType
from typing import Callable

from . import _process
from ._core import Closed, Core, Settings
from ._gauges import Gauge
from ._http_transport import HttpTransport
from ._limits import Limits, require_whole_number
from ._loop import ThreadLoop
from .event import Increment, PeakMetric, UsageCorrection, UsageEvent, Value
from .reports import DeliveredBatch, DroppedEvents, Hooks, Problem, RejectedEvent, Totals

# close() returns this long after its time-out even if a hook does not return.
_GRACE_S = 1.0


class Emitter:
    """
    Sends usage events in the background. Raises ValueError for options that make no sense; after that, emit() and add()
    never raise and never wait for the network. All methods may be called from any thread.
    """

    def __init__(
        self,
        *,
        url: str,
        key: str,
        on_delivered: Callable[[DeliveredBatch], object] | None = None,
        on_rejected: Callable[[RejectedEvent], object] | None = None,
        on_dropped: Callable[[DroppedEvents], object] | None = None,
        on_problem: Callable[[Problem], object] | None = None,
        batch_events_max: int = 1_000,
        batch_bytes_max: int = 1024**2,
        batch_age_ms: int = 1_000,
        requests_max: int = 2,
        buffer_events_max: int = 100_000,
        buffer_bytes_max: int = 32 * 1024**2,
        attempt_timeout_ms: int = 30_000,
        refused_retry_ms: int = 60_000,
        sum_every_ms: int = 10_000,
        sum_pairs_max: int = 10_000,
        exit_timeout_ms: int = 5_000,
    ) -> None:
        """
        url: where the service is reached, for example https://meterline.example.com. key: an ingest key.
        batch_events_max, batch_bytes_max, batch_age_ms: a batch is sent when it has this many events (at most 10,000),
            or when its body has this many bytes (at most 10 MiB), or when its oldest event has waited this long.
        requests_max: requests in progress at the same time.
        buffer_events_max, buffer_bytes_max: events in memory, those being sent included, and their bytes as JSON (each
            takes some more). The event that does not fit is dropped, and reported to on_dropped.
        attempt_timeout_ms: one request may take this long.
        refused_retry_ms: after an answer that only a person can change, such as 401, the next attempt waits this long.
        sum_every_ms, sum_pairs_max: how long add() sums before it emits, and how many pairs of project and metric.
        exit_timeout_ms: when the interpreter exits, close() is called with this time-out.
        """
        if not isinstance(url, str) or re.match(r"https?://[^/]", url) is None:
            raise ValueError("url must be the address of the service, such as https://meterline.example.com.")
        if not isinstance(key, str) or re.fullmatch(r"[\x21-\x7e]+", key) is None:
            raise ValueError("key must be an ingest key.")
        require_whole_number("exit_timeout_ms", exit_timeout_ms)
        limits = Limits(
            batch_events_max,
            batch_bytes_max,
            batch_age_ms,
            requests_max,
            buffer_events_max,
            buffer_bytes_max,
            attempt_timeout_ms,
            refused_retry_ms,
            sum_every_ms,
            sum_pairs_max,
        )
        hooks = Hooks(on_delivered, on_rejected, on_dropped, on_problem)
        self._settings = Settings(url, key, limits, hooks, random.random)
        self._exit_timeout_ms = exit_timeout_ms
        # Acquired by the first close(), and never released: only one closes, and a lock of this kind needs no other.
        self._closing = threading.Lock()
        self._open()
        _process.register(self)

    def emit(self, event: UsageEvent) -> str | None:
        """
        Adds an event to the buffer and returns its event_id; None if it was dropped, or has no JSON. The event is sent
        until the service has an outcome for it, always with the same id.
        """
        return self._core.emit(event)

    def correct(self, correction: UsageCorrection) -> str | None:
        """
        Adds a correction of an event to the buffer and returns the correction's own event_id. Like emit() in all else.
        One that reaches the service before its event is rejected as unknown_event.
        """
        return self._core.correct(correction)

    def add(self, increment: Increment) -> None:
        """Adds to the sum of a project and metric, which is emitted as one event every sum_every_ms."""
        self._core.add(increment)

    def gauge(
        self, *, project_id: str, metric: PeakMetric | str, every_ms: int, read: Callable[[], Value]
    ) -> Callable[[], None]:
        """
        Samples a level at the beginning of each slot of every_ms; slots begin at midnight UTC. `read` runs in a thread
        of its own; if it raises, the slot has no sample. Returns what stops it. Raises ValueError for a wrong every_ms.
        """
        require_whole_number("every_ms", every_ms)
        return self._core.gauge(Gauge(project_id, metric, every_ms, read))

    def flush(self, timeout_ms: int | None = None) -> bool:
        """
        Sends what waits, and returns when everything emitted so far has its outcome, which during an outage is after
        its end. False if the time-out is over before. Raises RuntimeError in a hook.
        """
        self._require_other_thread()
        is_flushed = threading.Event()
        self._core.flush(is_flushed.set)
        return is_flushed.wait(None if timeout_ms is None else timeout_ms / 1000)

    def close(self, timeout_ms: int = 10_000) -> Closed:
        """
        Ends the emitter: flushes for at most timeout_ms, then gives up, and reports what has no outcome as dropped.
        Returns the totals since the start. Raises RuntimeError in a hook.
        """
        self._require_other_thread()
        self._begin_close(timeout_ms)
        return self._await_closed(timeout_ms)

    @property
    def totals(self) -> Totals:
        return self._core.totals

    def __enter__(self) -> Emitter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        limits = self._settings.limits
        self._transport = HttpTransport(limits.requests_max, limits.attempt_timeout_ms)
        self._loop = ThreadLoop(self._transport.start)
        self._core = Core(self._settings, self._loop, self._transport)
        self._closed: Closed | None = None
        self._is_closed = threading.Event()

    def _open_in_child(self) -> None:
        """After a fork: the threads are gone, and what was in the buffer belongs to the parent, which sends it."""
        self._open()
        if self._closing.locked():
            self._core.end()
            _process.forget(self)

    def _begin_close(self, timeout_ms: int) -> None:
        if self._closing.acquire(blocking=False):
            self._core.close(timeout_ms, self._note_closed)

    def _note_closed(self, closed: Closed) -> None:
        self._closed = closed
        self._loop.stop()
        self._transport.stop()
        _process.forget(self)
        self._is_closed.set()

    def _await_closed(self, timeout_ms: int) -> Closed:
        # Without a thread, which could not be started, there is nothing to wait for.
        if self._loop.is_started:
            self._is_closed.wait(timeout_ms / 1000 + _GRACE_S)
        if self._closed is not None:
            return self._closed
        totals = self._core.totals
        return Closed(totals.delivered, totals.rejected, totals.dropped + totals.waiting)

    def _require_other_thread(self) -> None:
        if self._loop.is_current():
            raise RuntimeError("A hook cannot wait for the emitter, which waits for the hook: call this elsewhere.")

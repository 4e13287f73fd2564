"""Sends what waits in the store: a batch when it is full, when its oldest event is old enough, and on flush()."""

from __future__ import annotations

from threading import RLock
from typing import Callable, Protocol

from ._delivery import Delivered, Delivery, Post, PostResult, Refused, Rejected, Steps, TryAgain, Wait, deliver
from ._limits import Limits
from ._loop import Call, Loop, Timer
from ._memory_store import MemoryStore, StoredEvent
from .reports import DropReason, Problem, Reports


class PostEvents(Protocol):
    """Makes one attempt to send events. Returns what ends the attempt; its result is then not needed any more."""

    def __call__(self, post: Post, done: Callable[[PostResult], None]) -> Call: ...


class _Batch:
    def __init__(self, first: int, events: list[StoredEvent]) -> None:
        # The number of its first event, counted from the first that was ever added.
        self.first = first
        self.events = events
        # Ends what the batch waits for: an attempt or a timer.
        self.end: Call | None = None


class Sender:
    """add() and flush() may be called from any thread; everything else runs in the loop."""

    def __init__(
        self, limits: Limits, loop: Loop, post: PostEvents, random: Callable[[], float], reports: Reports
    ) -> None:
        self._limits = limits
        self._loop = loop
        self._post = post
        self._random = random
        self._reports = reports
        # For what add() and the loop share: never held while a hook runs or a request is made.
        self._lock = RLock()
        self._store = MemoryStore(limits.buffer_events_max, limits.buffer_bytes_max)
        self._in_flight: list[_Batch] = []
        self._added = 0
        # Events up to this number are sent without waiting for a full batch.
        self._flushed = 0
        self._waiters: list[tuple[int, Call]] = []
        self._age_timer: Timer | None = None
        self._is_woken = False
        self._is_stopped = False

    @property
    def events_without_outcome(self) -> int:
        return self._store.events_without_outcome

    def add(self, event: StoredEvent) -> DropReason | None:
        """Why the event is dropped; None if it is in the buffer."""
        with self._lock:
            if self._is_stopped:
                return "closed"
            if not self._store.add(event):
                return "memory_full"
            self._added += 1
            if self._has_free_request():
                if self._is_full():
                    self._wake()
                elif self._age_timer is None:
                    self._arm_age_timer()
            return None

    def flush(self, done: Call) -> None:
        """Calls `done` when every event added so far has its outcome."""
        with self._lock:
            self._flushed = self._added
            self._waiters.append((self._added, done))
        self._loop.call_soon(self._send_what_is_due)

    def stop(self) -> list[StoredEvent]:
        """Ends the requests in progress, and returns the events without an outcome."""
        with self._lock:
            self._is_stopped = True
            self._clear_age_timer()
            taken = [event for batch in self._in_flight for event in batch.events]
            waiting = self._store.take_all()
            self._store.forget(taken + waiting)
        for batch in self._in_flight:
            if batch.end is not None:
                batch.end()
        return taken + waiting

    def _wake(self) -> None:
        if not self._is_woken:
            self._loop.call_soon(self._send_what_is_due)
            self._is_woken = True

    def _send_what_is_due(self) -> None:
        due: list[_Batch] = []
        with self._lock:
            self._is_woken = False
            while not self._is_stopped and self._has_free_request() and (self._is_full() or self._is_due()):
                first = self._added - self._store.waiting_events
                batch = _Batch(first, self._store.take(self._limits.batch_events_max, self._limits.batch_bytes_max))
                self._in_flight.append(batch)
                due.append(batch)
            self._arm_age_timer()
        for batch in due:
            self._run(batch, self._send(batch), None)
        self._call_waiters()

    def _has_free_request(self) -> bool:
        return len(self._in_flight) < self._limits.requests_max

    def _is_full(self) -> bool:
        events, size = self._store.waiting_events, self._store.waiting_bytes
        return events >= self._limits.batch_events_max or size + events + 1 >= self._limits.batch_bytes_max

    def _is_due(self) -> bool:
        oldest_ms = self._store.oldest_ms
        if oldest_ms is None:
            return False
        is_flushed = self._added - self._store.waiting_events < self._flushed
        return is_flushed or oldest_ms + self._limits.batch_age_ms <= self._loop.monotonic_ms()

    def _arm_age_timer(self) -> None:
        self._clear_age_timer()
        oldest_ms = self._store.oldest_ms
        # When all requests are in progress, the end of one of them sends the next batch.
        if oldest_ms is None or not self._has_free_request() or self._is_stopped:
            return
        after_ms = oldest_ms + self._limits.batch_age_ms - self._loop.monotonic_ms()
        self._age_timer = self._loop.call_later(after_ms, self._send_what_is_due)

    def _clear_age_timer(self) -> None:
        if self._age_timer is not None:
            self._age_timer.cancel()
        self._age_timer = None

    def _run(self, batch: _Batch, steps: Steps, result: PostResult | None) -> None:
        """Goes on with a batch until it has to wait. After stop() it never does: those events are reported already."""
        if self._is_stopped:
            return
        try:
            step = steps.send(result)
        except StopIteration:
            return
        if isinstance(step, Post):
            batch.end = self._post(step, lambda answer: self._run(batch, steps, answer))
        else:
            batch.end = self._loop.call_later(step.ms, lambda: self._run(batch, steps, None)).cancel

    def _send(self, batch: _Batch) -> Steps:
        """Until every event of the batch has its outcome."""
        while True:
            delivery = yield from deliver([event.text for event in batch.events], self._random, self._report_retry)
            self._note_outcomes(batch, delivery)
            if delivery.failure is None:
                break
            yield self._report_refused(delivery.failure)
        with self._lock:
            self._in_flight.remove(batch)
        self._loop.call_soon(self._send_what_is_due)

    def _report_retry(self, result: TryAgain, retry_in_ms: int) -> None:
        self._reports.problem(Problem("no_delivery", result.message, result.http_status, retry_in_ms=retry_in_ms))

    def _report_refused(self, failure: Refused) -> Wait:
        retry_in_ms = self._limits.refused_retry_ms
        self._reports.problem(Problem("refused", failure.message, failure.http_status, failure.code, retry_in_ms))
        return Wait(retry_in_ms)

    def _note_outcomes(self, batch: _Batch, delivery: Delivery) -> None:
        outcomes = list(zip(batch.events, delivery.outcomes))
        with self._lock:
            batch.events = [event for event, outcome in outcomes if outcome is None]
            self._store.forget([event for event, outcome in outcomes if outcome is not None])
        delivered = [event.text for event, outcome in outcomes if isinstance(outcome, Delivered)]
        self._reports.delivered(delivered, delivery.accepted, delivery.duplicates)
        for event, outcome in outcomes:
            if isinstance(outcome, Rejected):
                self._reports.rejected(event.text, outcome.reason, outcome.message)

    def _call_waiters(self) -> None:
        with self._lock:
            oldest = min([self._added - self._store.waiting_events, *(batch.first for batch in self._in_flight)])
            done = [call for through, call in self._waiters if through <= oldest]
            self._waiters = [waiter for waiter in self._waiters if waiter[0] > oldest]
        for call in done:
            call()

"""What the emitter reports: the hooks and the totals."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Callable, Literal, TypeVar, cast

from ._loop import Loop
from .event import WireEvent

# memory_full: the limit of the buffer. not_delivered: no outcome until close() gave up. closed: emitted after close().
DropReason = Literal["memory_full", "not_delivered", "closed"]
ProblemKind = Literal["no_delivery", "refused", "gauge_failed", "hook_failed"]


@dataclass(frozen=True)
class DeliveredBatch:
    """Events that the service counted, now or by an earlier copy."""

    events: list[WireEvent]
    accepted: int
    duplicates: int | None


@dataclass(frozen=True)
class RejectedEvent:
    """
    An event that is not counted. The service keeps it with this reason; sending it again would change nothing. `event`
    is None if what was emitted could not be written as JSON.
    """

    event: WireEvent | None
    reason: str
    message: str


@dataclass(frozen=True)
class DroppedEvents:
    """Events that are lost. `events` has at most the first 1,000 of the `count` that are reported together."""

    events: list[WireEvent]
    count: int
    reason: DropReason


@dataclass(frozen=True)
class Problem:
    """
    Something that delays events or needs a person. no_delivery: an attempt failed and is repeated, which is normal
    during an outage. refused: the service will not accept these events until somebody changes the key or the address;
    they stay buffered. gauge_failed: a sample is missing. hook_failed: a hook raised an exception.
    """

    kind: ProblemKind
    message: str
    http_status: int | None = None
    code: str | None = None
    """The error code of Meterline, for example UNAUTHENTICATED."""
    retry_in_ms: int | None = None


@dataclass(frozen=True)
class Hooks:
    """Called one after another, in the emitter's thread."""

    on_delivered: Callable[[DeliveredBatch], object] | None = None
    on_rejected: Callable[[RejectedEvent], object] | None = None
    on_dropped: Callable[[DroppedEvents], object] | None = None
    on_problem: Callable[[Problem], object] | None = None


@dataclass(frozen=True)
class Totals:
    """Since the start."""

    delivered: int
    rejected: int
    dropped: int
    waiting: int
    """Without an outcome until now."""


_REPORTED_TOGETHER_MAX = 1000
_Report = TypeVar("_Report")


class Reports:
    """Calls the hooks and keeps the totals. An event is parsed from its text only if a hook wants it."""

    def __init__(self, hooks: Hooks, loop: Loop) -> None:
        self._hooks = hooks
        self._loop = loop
        self._lock = threading.RLock()
        # What happened in the caller's path and is reported later: the number, and the first of the texts.
        self._dropped: dict[DropReason, tuple[int, list[bytes]]] = {}
        self._unreadable: list[str] = []
        self._is_reporting = False
        self.delivered_events = 0
        self.rejected_events = 0
        self.dropped_events = 0

    def delivered(self, texts: Sequence[bytes], accepted: int, duplicates: int | None) -> None:
        if not texts:
            return
        with self._lock:
            self.delivered_events += len(texts)
        self._call(
            self._hooks.on_delivered, lambda: DeliveredBatch([_parse(text) for text in texts], accepted, duplicates)
        )

    def rejected(self, text: bytes, reason: str, message: str) -> None:
        with self._lock:
            self.rejected_events += 1
        self._call(self._hooks.on_rejected, lambda: RejectedEvent(_parse(text), reason, message))

    def unreadable(self, error: Exception) -> None:
        """What is not an event, or has no JSON. The service never sees it. The hook is called later, in the loop."""
        with self._lock:
            self.rejected_events += 1
            if self._hooks.on_rejected is not None and len(self._unreadable) < _REPORTED_TOGETHER_MAX:
                self._unreadable.append(f"The event cannot be written as JSON ({error!r}).")
                self._report_soon()

    def dropped(self, texts: Sequence[bytes], reason: DropReason) -> None:
        """Does not call the hook in the caller's path."""
        if not texts:
            return
        with self._lock:
            self.dropped_events += len(texts)
            if self._hooks.on_dropped is None:
                return
            count, first = self._dropped.get(reason, (0, []))
            first += texts[: _REPORTED_TOGETHER_MAX - len(first)]
            self._dropped[reason] = (count + len(texts), first)
            self._report_soon()

    def problem(self, problem: Problem) -> None:
        try:
            if self._hooks.on_problem is not None:
                self._hooks.on_problem(problem)
        except Exception:
            # No other hook is left that it could be reported to.
            pass

    def _report_soon(self) -> None:
        if not self._is_reporting:
            self._loop.call_soon(self._report)
            self._is_reporting = True

    def _report(self) -> None:
        with self._lock:
            self._is_reporting = False
            dropped, self._dropped = self._dropped, {}
            unreadable, self._unreadable = self._unreadable, []
        for reason, (count, first) in dropped.items():
            events = [_parse(text) for text in first]
            self._call(self._hooks.on_dropped, partial(DroppedEvents, events, count, reason))
        for message in unreadable:
            self._call(self._hooks.on_rejected, partial(RejectedEvent, None, "invalid_event", message))

    def _call(self, hook: Callable[[_Report], object] | None, report: Callable[[], _Report]) -> None:
        if hook is None:
            return
        try:
            hook(report())
        except Exception as error:
            self.problem(Problem("hook_failed", repr(error)))


def _parse(text: bytes) -> WireEvent:
    return cast(WireEvent, json.loads(text, parse_float=Decimal))

"""A loop that a test moves. Timers run in their order, each at its own time."""

from __future__ import annotations

import heapq
import itertools
from collections import deque

from meterline_emitter._loop import Call, Timer


class VirtualLoop:
    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._ready: deque[Call] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._made = itertools.count()

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> float:
        return self._now_ms

    def call_soon(self, call: Call) -> None:
        self._ready.append(call)

    def call_later(self, after_ms: float, call: Call) -> Timer:
        timer = Timer(call)
        heapq.heappush(self._timers, (self._now_ms + max(0.0, after_ms), next(self._made), timer))
        return timer

    def run_apart(self, work: Call) -> None:
        work()

    def rest(self) -> None:
        """Until nothing is ready to run."""
        while self._ready:
            self._ready.popleft()()

    def advance(self, ms: int) -> None:
        """Moves the time on, and lets what each timer started come to rest before the next one."""
        end_ms = self._now_ms + ms
        self.rest()
        while self._timers and self._timers[0][0] <= end_ms:
            at_ms, _, timer = heapq.heappop(self._timers)
            if timer.call is not None:
                self._now_ms = max(self._now_ms, int(at_ms))
                timer.call()
                self.rest()
        self._now_ms = end_ms

"""Where the emitter does what must not happen in the caller's path: in one thread, one call after another."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from typing import Callable, Protocol

Call = Callable[[], None]


class Timer:
    """A call at a later time."""

    def __init__(self, call: Call) -> None:
        self.call: Call | None = call

    def cancel(self) -> None:
        # Not only a flag: the call may refer to a whole batch, and the timer stays in its queue until it is due.
        self.call = None


class Loop(Protocol):
    """Time and threads as the emitter sees them. Every method may be called from any thread."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""

    def monotonic_ms(self) -> float:
        """For durations: does not jump when the system's clock is set."""

    def call_soon(self, call: Call) -> None: ...

    def call_later(self, after_ms: float, call: Call) -> Timer: ...

    def run_apart(self, work: Call) -> None:
        """Runs what may block in a thread of its own."""


class ThreadLoop:
    """
    A daemon thread that runs calls. It starts with the first call, and calls `on_start` before: from Python 3.12 on no
    thread can be started while the interpreter exits, so every thread that is needed then must start here.
    """

    def __init__(self, on_start: Call) -> None:
        self._on_start = on_start
        self._changed = threading.Condition()
        self._ready: deque[Call] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._made = itertools.count()
        self._thread: threading.Thread | None = None
        self._is_stopped = False

    @property
    def is_started(self) -> bool:
        return self._thread is not None

    def is_current(self) -> bool:
        return threading.current_thread() is self._thread

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        return time.monotonic() * 1000

    def call_soon(self, call: Call) -> None:
        with self._changed:
            self._ready.append(call)
            self._ensure_thread()
            self._changed.notify()

    def call_later(self, after_ms: float, call: Call) -> Timer:
        timer = Timer(call)
        with self._changed:
            heapq.heappush(self._timers, (self.monotonic_ms() + max(0.0, after_ms), next(self._made), timer))
            self._ensure_thread()
            self._changed.notify()
        return timer

    def run_apart(self, work: Call) -> None:
        threading.Thread(target=work, name="meterline-emitter-gauge", daemon=True).start()

    def stop(self) -> None:
        """Ends the thread after the calls that are ready. A later call starts another one, for as long as it takes."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()

    def _ensure_thread(self) -> None:
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._run, name="meterline-emitter", daemon=True)
        # Before it starts, because a signal handler may emit meanwhile.
        self._thread = thread
        try:
            if not self._is_stopped:
                self._on_start()
            thread.start()
        except RuntimeError:
            # There is no thread to be had now. The next call tries again.
            self._thread = None

    def _run(self) -> None:
        while True:
            call = self._next_call()
            if call is None:
                return
            try:
                call()
            except Exception:
                # An error of the emitter itself: the thread must go on, or no event would ever be sent again.
                logging.getLogger(__name__).exception("The emitter failed in its own code.")

    def _next_call(self) -> Call | None:
        """Waits for the next call. None when the thread ends, after stop()."""
        with self._changed:
            while True:
                if self._ready:
                    return self._ready.popleft()
                if self._is_stopped:
                    self._thread = None
                    return None
                wait_ms = self._timers[0][0] - self.monotonic_ms() if self._timers else None
                if wait_ms is not None and wait_ms <= 0:
                    call = heapq.heappop(self._timers)[2].call
                    if call is not None:
                        return call
                else:
                    self._changed.wait(None if wait_ms is None else wait_ms / 1000)

"""Makes requests with http.client, in daemon threads."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from queue import SimpleQueue
from typing import Callable, Union
from urllib.parse import urlsplit

from ._loop import Call
from ._post_over_http import HttpAnswer, HttpRequest

Done = Callable[[Union[HttpAnswer, Exception]], None]


class HttpTransport:
    """
    Each request has a connection of its own: batches are few, and a connection that the service closed in the meantime
    cannot fail one.
    """

    def __init__(self, threads_max: int, timeout_ms: int) -> None:
        self._threads_max = threads_max
        self._timeout_s = timeout_ms / 1000
        self._waiting: SimpleQueue[_Attempt | None] = SimpleQueue()
        self._lock = threading.RLock()
        self._threads = 0
        self._busy = 0
        self._ssl_context: ssl.SSLContext | None = None

    def __call__(self, request: HttpRequest, done: Done) -> Call:
        attempt = _Attempt(request, done)
        with self._lock:
            self._busy += 1
            try:
                if self._busy > self._threads:
                    self._start_thread()
            except RuntimeError:
                # While the interpreter exits, a thread that runs already makes the request.
                pass
        self._waiting.put(attempt)
        return attempt.end

    def start(self) -> None:
        """Starts the first thread."""
        with self._lock:
            self._start_thread()

    def stop(self) -> None:
        for _ in range(self._threads):
            self._waiting.put(None)

    def _start_thread(self) -> None:
        if self._threads < self._threads_max:
            threading.Thread(target=self._run, name="meterline-emitter-request", daemon=True).start()
            self._threads += 1

    def _run(self) -> None:
        while True:
            attempt = self._waiting.get()
            if attempt is None:
                return
            try:
                attempt.done(attempt.make(self._timeout_s, self._context_for(attempt.request.url)))
            except Exception as error:
                attempt.done(error)
            finally:
                with self._lock:
                    self._busy -= 1

    def _context_for(self, url: str) -> ssl.SSLContext | None:
        if self._ssl_context is None and url.startswith("https:"):
            self._ssl_context = ssl.create_default_context()
        return self._ssl_context


class _Attempt:
    def __init__(self, request: HttpRequest, done: Done) -> None:
        self.request = request
        self.done = done
        self._connection: http.client.HTTPConnection | None = None
        self._is_ended = False

    def end(self) -> None:
        """Wakes the thread that waits for the answer."""
        self._is_ended = True
        connection = self._connection
        socket_of_request = None if connection is None else connection.sock
        if socket_of_request is not None:
            try:
                socket_of_request.shutdown(socket.SHUT_RDWR)
            except OSError:
                # It is not connected any more.
                pass

    def make(self, timeout_s: float, context: ssl.SSLContext | None) -> HttpAnswer:
        url = urlsplit(self.request.url)
        host = url.hostname or ""
        connection = (
            http.client.HTTPConnection(host, url.port, timeout=timeout_s)
            if context is None
            else http.client.HTTPSConnection(host, url.port, timeout=timeout_s, context=context)
        )
        self._connection = connection
        try:
            connection.connect()
            if self._is_ended:
                raise TimeoutError("The request was ended.")
            connection.request(
                "POST", url.path, self.request.body, dict(self.request.headers) | {"connection": "close"}
            )
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return HttpAnswer(response.status, headers, response.read())
        finally:
            connection.close()

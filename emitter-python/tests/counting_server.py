"""A service that counts events over real HTTP, with the answers that a test chooses."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections import Counter as CounterOf
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Union

# "cut" ends the connection without an answer, "never" keeps it open without one.
Answer = Union[str, tuple[int, dict[str, str]]]


class CountingServer:
    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.arrived: CounterOf[str] = Counter()
        self.events: list[dict[str, Any]] = []
        self.is_ended = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                answer = server.answers.pop(0) if server.answers else "accept"
                if answer == "never":
                    server.is_ended.wait()
                if answer in ("never", "cut"):
                    return
                status, headers = (200, {}) if isinstance(answer, str) else answer
                self._answer(status, headers, server._count(json.loads(body)) if status == 200 else {})

            def _answer(self, status: int, headers: dict[str, str], body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self.is_ended.set()
        self._server.shutdown()
        self._server.server_close()

    def _count(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        ids = [event["event_id"] for event in events]
        duplicates = sum(event_id in self.arrived for event_id in ids)
        self.arrived.update(ids)
        self.events += events
        return {"accepted": len(ids) - duplicates, "duplicates": duplicates, "rejected": []}

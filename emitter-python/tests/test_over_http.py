from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path
from typing import Any

from meterline_emitter import Closed, Emitter, Problem, UsageEvent

from .counting_server import CountingServer

EVENT: UsageEvent = {"project_id": "p1", "metric": "ai_tokens", "value": 1}


class OverHttp(unittest.TestCase):
    def setUp(self) -> None:
        self.server = CountingServer()
        self.addCleanup(self.server.stop)
        self.problems: list[Problem] = []

    def emitter(self, **options: Any) -> Emitter:
        return Emitter(url=self.server.url, key="k1", on_problem=self.problems.append, **options)

    def run_python(self, text: str, options: str = "") -> str:
        create = f"emitter = Emitter(url={self.server.url!r}, key='k1', {options})"
        program = f"from meterline_emitter import Emitter\n{create}\n{text}"
        folder = Path(__file__).parents[1]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        # Python 3.12 warns of every fork of a process with threads.
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=25)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return run.stdout

    def test_events_arrive_in_one_request_with_the_ids_that_emit_returned(self) -> None:
        with self.emitter() as emitter:
            ids = [emitter.emit(EVENT) for _ in range(3)]
        self.assertEqual(list(self.server.arrived), ids)
        ((path, headers),) = self.server.requests
        self.assertEqual((path, headers["authorization"]), ("/v1/events", "Bearer k1"))
        self.assertEqual(emitter.close(), Closed(delivered=3, rejected=0, dropped=0))

    def test_a_request_whose_connection_is_cut_is_sent_again_with_the_same_ids(self) -> None:
        self.server.answers = ["cut", (503, {"retry-after": "1"})]
        with self.emitter() as emitter:
            event_id = emitter.emit(EVENT)
            self.assertTrue(emitter.flush())
        self.assertEqual(self.server.arrived, {event_id: 1})
        self.assertEqual([problem.http_status for problem in self.problems], [None, 503])
        self.assertEqual(self.problems[1].retry_in_ms, 1000)

    def test_events_of_many_threads_are_each_delivered_once(self) -> None:
        emitter = self.emitter(batch_events_max=100)

        def emit() -> None:
            for _ in range(250):
                emitter.emit(EVENT)
                emitter.add({"project_id": "p1", "metric": "mcp_calls"})

        threads = [threading.Thread(target=emit) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(emitter.close().dropped, 0)
        self.assertEqual(set(self.server.arrived.values()), {1})
        metrics = [event["metric"] for event in self.server.events]
        calls = [int(event["value"]) for event in self.server.events if event["metric"] == "mcp_calls"]
        self.assertEqual((metrics.count("ai_tokens"), sum(calls)), (2000, 2000))

    def test_close_is_bounded_by_its_time_out_and_ends_the_request_and_all_threads(self) -> None:
        self.server.answers = ["never"]
        reasons: list[str] = []
        emitter = self.emitter(on_dropped=lambda dropped: reasons.append(dropped.reason))
        emitter.emit(EVENT)
        self.assertFalse(emitter.flush(timeout_ms=20))
        began = time.monotonic()
        self.assertEqual(emitter.close(timeout_ms=50), Closed(delivered=0, rejected=0, dropped=1))
        self.assertLess(time.monotonic() - began, 1)
        self.assertIsNone(emitter.emit(EVENT))
        self.assertEqual(emitter.totals.dropped, 2)
        for thread in threading.enumerate():
            if thread.name.startswith("meterline-emitter"):
                thread.join(timeout=5)
                self.assertFalse(thread.is_alive(), thread.name)
        self.assertEqual(reasons, ["not_delivered", "closed"])

    def test_close_is_bounded_also_if_a_hook_never_returns(self) -> None:
        blocked = threading.Event()
        self.addCleanup(blocked.set)
        emitter = self.emitter(on_delivered=lambda batch: blocked.wait())
        emitter.emit(EVENT)
        self.assertFalse(emitter.flush(timeout_ms=50))
        self.assertEqual(emitter.close(timeout_ms=50).rejected, 0)

    def test_a_hook_that_raises_or_waits_for_the_emitter_is_reported(self) -> None:
        emitter: Emitter = self.emitter(on_delivered=lambda batch: emitter.flush())
        emitter.emit(EVENT)
        self.assertTrue(emitter.flush())
        emitter.close()
        self.assertEqual([problem.kind for problem in self.problems], ["hook_failed"])
        self.assertIn("A hook cannot wait", self.problems[0].message)

    def test_what_is_not_an_event_is_reported_and_never_raises(self) -> None:
        messages: list[str] = []
        emitter = self.emitter(on_rejected=lambda rejected: messages.append(rejected.message))
        wrong: Any = [None, "text", {**EVENT, "value": object()}]
        self.assertEqual([emitter.emit(each) for each in wrong], [None, None, None])
        emitter.add(wrong[0])
        self.assertEqual(emitter.close(), Closed(delivered=0, rejected=4, dropped=0))
        self.assertEqual(len(messages), 4)

    def test_events_are_delivered_when_the_interpreter_exits_without_close(self) -> None:
        self.run_python(f"for _ in range(3): emitter.emit({EVENT})")
        self.assertEqual(sum(self.server.arrived.values()), 3)

    def test_the_exit_of_the_interpreter_is_bounded_and_reports_what_it_loses(self) -> None:
        self.server.answers = ["never"]
        options = "exit_timeout_ms=50, on_dropped=lambda dropped: print(dropped.reason, dropped.count)"
        self.assertEqual(self.run_python(f"emitter.emit({EVENT})", options), "not_delivered 1\n")

    @unittest.skipUnless(hasattr(os, "fork"), "this system has no fork")
    def test_after_a_fork_the_parent_sends_its_events_and_the_child_its_own(self) -> None:
        output = self.run_python(
            f"""
import os, sys
emitter.emit({{**{EVENT}, 'event_id': 'parent'}})
child = os.fork()
if child == 0:
    emitter.emit({{**{EVENT}, 'event_id': 'child'}})
    os._exit(0 if emitter.close().delivered == 1 else 1)
print(os.waitpid(child, 0)[1], emitter.close().delivered)
"""
        )
        self.assertEqual(output.split(), ["0", "1"])
        self.assertEqual(self.server.arrived, {"parent": 1, "child": 1})

    def test_options_that_make_no_sense_raise(self) -> None:
        for options in ({"url": "localhost"}, {"key": ""}, {"batch_events_max": 10_001}, {"requests_max": 0}):
            with self.subTest(options), self.assertRaises(ValueError):
                wrong: Any = {"url": self.server.url, "key": "k1", **options}
                Emitter(**wrong)

"""Runs a case of emitter/conformance.json, whose member `format` describes it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Callable

from meterline_emitter._core import Core, Settings
from meterline_emitter._gauges import Gauge
from meterline_emitter._limits import Limits
from meterline_emitter._loop import Call
from meterline_emitter._post_over_http import HttpAnswer, HttpRequest
from meterline_emitter.reports import Hooks

from .labels import Labels
from .virtual_loop import VirtualLoop

Json = dict[str, Any]


def read_conformance() -> Json:
    path = Path(__file__).parents[2] / "emitter" / "conformance.json"
    conformance: Json = json.loads(path.read_text("utf-8"))
    return conformance


def run_case(case: Json, defaults: Json) -> list[tuple[list[Json], list[Json]]]:
    """Per step, what should have happened and what happened. Ids of labels are shown as labels."""
    run = _Run(case, defaults)
    results = []
    for step in case["steps"]:
        run.call(step)
        run.loop.rest()
        expected = step.get("then", [])
        wanted = expected + [{}] * len(run.happened)
        results.append((expected, [run.labels.show(each, want) for each, want in zip(run.happened, wanted)]))
        run.happened.clear()
    return results


class _Run:
    def __init__(self, case: Json, defaults: Json) -> None:
        given = {**defaults, **case}
        start = datetime.fromisoformat(given["start"].replace("Z", "+00:00"))
        self._start_ms = int(start.timestamp() * 1000)
        self._url = defaults["url"]
        self._key = defaults["key"]
        self._answers = list(case.get("answers", []))
        self._stops: dict[str, Call] = {}
        self.loop = VirtualLoop(self._start_ms)
        self.labels = Labels()
        self.happened: list[Json] = []
        limits = Limits(**{**defaults["options"], **case.get("options", {})})
        settings = Settings(self._url, self._key, limits, self._hooks(), lambda: float(given["random"]))
        self._core = Core(settings, self.loop, self._send)

    def call(self, step: Json) -> None:
        call = step["call"]
        if call == "emit":
            event_id = self._core.emit(step["event"])
            assert (event_id is None) == step.get("dropped", False), f"emit returned {event_id}"
            if event_id is not None and "id" in step:
                self.labels.bind(f"${step['id']}", event_id, self.loop.now_ms())
        elif call == "correct":
            correction_id = self._core.correct(step["correction"])
            if correction_id is not None and "id" in step:
                self.labels.bind(f"${step['id']}", correction_id, self.loop.now_ms())
        elif call == "add":
            self._core.add(step["increment"])
        elif call == "gauge":
            self._stops[step["name"]] = self._core.gauge(Gauge(**step["gauge"], read=_reader(step["reads"])))
        elif call == "stop_gauge":
            self._stops[step["name"]]()
        elif call == "flush":
            self._core.flush(lambda: self.happened.append({"flushed": True}))
        elif call == "close":
            self._core.close(step["timeout_ms"], lambda closed: self.happened.append({"closed": vars(closed)}))
        else:
            self.loop.advance(step["ms"])

    def _send(self, request: HttpRequest, done: Callable[[HttpAnswer | Exception], None]) -> Call:
        assert request.url == f"{self._url}/v1/events", request.url
        assert request.headers["authorization"] == f"Bearer {self._key}"
        assert request.headers["content-type"] == "application/json"
        events = json.loads(request.body)
        self.happened.append({"request": {"at_ms": self.loop.now_ms() - self._start_ms, "events": events}})
        answer: Any = self._answers.pop(0) if self._answers else "accept"
        if answer == "no_answer":
            done(ConnectionRefusedError())
        elif answer == "accept":
            done(_answer({"status": 200, "body": {"accepted": len(events), "duplicates": 0, "rejected": []}}))
        elif answer != "never":
            done(_answer(answer))
        return lambda: None

    def _hooks(self) -> Hooks:
        def report(kind: str, detail: Json) -> None:
            self.happened.append({kind: detail})

        return Hooks(
            lambda batch: report(
                "delivered",
                {"ids": _ids(batch.events), "accepted": batch.accepted, "duplicates": batch.duplicates},
            ),
            lambda rejected: report(
                "rejected", {"id": rejected.event and rejected.event["event_id"], "reason": rejected.reason}
            ),
            lambda dropped: report("dropped", {"ids": _ids(dropped.events), "reason": dropped.reason}),
            lambda problem: report("problem", vars(problem)),
        )


def _answer(answer: Json) -> HttpAnswer:
    return HttpAnswer(answer["status"], answer.get("headers", {}), json.dumps(answer.get("body", {})).encode())


def _ids(events: list[Any]) -> list[str]:
    return [event["event_id"] for event in events]


def _reader(reads: list[Any]) -> Callable[[], Any]:
    left = list(reads)

    def read() -> Any:
        value = left.pop(0)
        if value == "error":
            raise OSError("cannot be read")
        return value

    return read

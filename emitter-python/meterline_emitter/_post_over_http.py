"""Sends events to POST /v1/events, one request per attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Protocol

from ._delivery import Answered, Post, PostResult, Refused, RejectedInRequest, TooLarge, TryAgain
from ._loop import Call, Loop
from ._retry_delay import read_retry_after_ms


@dataclass(frozen=True)
class HttpRequest:
    """A POST."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]
    """With names in lower case."""
    body: bytes


class Transport(Protocol):
    """
    Makes a request, without following redirects, and calls `done` from any thread: with the answer, or with the reason
    why there is none. Returns what ends the request.
    """

    def __call__(self, request: HttpRequest, done: Callable[[HttpAnswer | Exception], None]) -> Call: ...


class PostOverHttp:
    def __init__(self, url: str, key: str, attempt_timeout_ms: int, loop: Loop, transport: Transport) -> None:
        self._url = f"{url.rstrip('/')}/v1/events"
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self._attempt_timeout_ms = attempt_timeout_ms
        self._loop = loop
        self._transport = transport

    def __call__(self, post: Post, done: Callable[[PostResult], None]) -> Call:
        is_ended = False
        body = b"[" + b",".join(post.texts) + b"]"

        def end() -> None:
            nonlocal is_ended
            is_ended = True
            timer.cancel()

        def on_answer(answer: HttpAnswer | Exception) -> None:
            if is_ended:
                return
            end()
            if isinstance(answer, HttpAnswer):
                done(_result_of(answer, len(post.texts), self._loop.now_ms()))
            else:
                done(TryAgain(None, f"There was no answer ({answer!r}).", None))

        def on_timeout() -> None:
            abort()
            done(TryAgain(None, f"There was no answer within {self._attempt_timeout_ms} ms.", None))

        def abort() -> None:
            end()
            end_request()

        timer = self._loop.call_later(self._attempt_timeout_ms, on_timeout)
        end_request = self._transport(
            HttpRequest(self._url, self._headers, body),
            lambda answer: self._loop.call_soon(lambda: on_answer(answer)),
        )
        return abort


def _result_of(answer: HttpAnswer, events: int, now_ms: int) -> PostResult:
    status = answer.status
    body = _parse_object(answer.body)
    if 200 <= status < 300:
        # Whatever else answers 200, such as the login page of a network, has not stored these events.
        message = "The answer is not from Meterline: it does not count these events. Check the URL."
        return _read_counts(body, events) or Refused(status, None, message)
    code = body["code"] if isinstance(body.get("code"), str) else None
    message = body["message"] if isinstance(body.get("message"), str) else f"The answer had status {status}."
    if status == 413:
        return TooLarge(message)
    if status not in (408, 429) and status < 500:
        return Refused(status, code, message)
    return TryAgain(status, message, read_retry_after_ms(answer.headers.get("retry-after"), now_ms))


def _read_counts(body: dict[str, Any], events: int) -> Answered | None:
    """None unless the answer has an outcome for exactly these events."""
    accepted, duplicates, rejected = body.get("accepted"), body.get("duplicates"), body.get("rejected")
    if not isinstance(rejected, list) or not isinstance(accepted, int) or not isinstance(duplicates, (int, type(None))):
        return None
    outcomes: list[RejectedInRequest] = []
    for each in rejected:
        index = each.get("index") if isinstance(each, dict) else None
        if not isinstance(index, int) or not 0 <= index < events:
            return None
        outcomes.append(RejectedInRequest(index, str(each.get("reason")), str(each.get("message"))))
    if accepted + (duplicates or 0) + len(outcomes) != events:
        return None
    return Answered(accepted, duplicates, outcomes)


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

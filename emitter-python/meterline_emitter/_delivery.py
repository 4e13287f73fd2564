"""
Repeats a request until each of its events has an outcome. The functions here are generators, so that they read from top
to bottom without a thread that waits: they yield what is to be done, and get its result.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Callable, Optional, Union

from ._retry_delay import retry_delay_ms


@dataclass(frozen=True)
class RejectedInRequest:
    index: int
    """Position in the request, starting at 0."""
    reason: str
    message: str


@dataclass(frozen=True)
class Answered:
    """There is an outcome for every event."""

    accepted: int
    duplicates: int | None
    rejected: Sequence[RejectedInRequest]


@dataclass(frozen=True)
class TooLarge:
    """413: send fewer at a time."""

    message: str


@dataclass(frozen=True)
class TryAgain:
    """No answer (http_status is None), or one that says to try again: 408, 429, 5xx."""

    http_status: int | None
    message: str
    retry_after_ms: int | None


@dataclass(frozen=True)
class Refused:
    """An answer that will be the same next time, until a person changes something: the key, the address."""

    http_status: int
    code: str | None
    message: str


PostResult = Union[Answered, TooLarge, TryAgain, Refused]


@dataclass(frozen=True)
class Post:
    """Send these events in one request. The result is a PostResult."""

    texts: Sequence[bytes]


@dataclass(frozen=True)
class Wait:
    """Go on after this time. The result is None."""

    ms: int


Step = Union[Post, Wait]
Steps = Generator[Step, Optional[PostResult], None]


@dataclass(frozen=True)
class Delivered:
    """Counted, now or by an earlier copy."""


@dataclass(frozen=True)
class Rejected:
    reason: str
    message: str


# None: without an outcome, because of `failure`.
Outcome = Union[Delivered, Rejected, None]


@dataclass(frozen=True)
class Delivery:
    outcomes: Sequence[Outcome]
    """One per event, in the order of the events."""
    accepted: int
    duplicates: int | None
    failure: Refused | None


# Called before each wait for the next attempt, with the time until it in milliseconds.
OnRetry = Callable[[TryAgain, int], None]


def deliver(
    texts: Sequence[bytes], random: Callable[[], float], on_retry: OnRetry
) -> Generator[Step, PostResult | None, Delivery]:
    """Sends events, two halves after 413, until each has an outcome or the service refuses a request."""
    outcomes: list[Outcome] = [None] * len(texts)
    accepted = 0
    duplicates: int | None = 0
    # Ranges of events, the next one last.
    waiting = [(0, len(texts))]
    while waiting:
        start, end = waiting.pop()
        result = yield from _post_until_answered(texts[start:end], random, on_retry)
        if isinstance(result, Refused):
            return Delivery(outcomes, accepted, duplicates, failure=result)
        if isinstance(result, TooLarge) and end - start > 1:
            middle = start + (end - start + 1) // 2
            waiting += [(middle, end), (start, middle)]
        elif isinstance(result, TooLarge):
            outcomes[start] = Rejected("too_large", result.message)
        else:
            outcomes[start:end] = [Delivered()] * (end - start)
            for each in result.rejected:
                outcomes[start + each.index] = Rejected(each.reason, each.message)
            accepted += result.accepted
            known = duplicates is not None and result.duplicates is not None
            duplicates = (duplicates or 0) + (result.duplicates or 0) if known else None
    return Delivery(outcomes, accepted, duplicates, failure=None)


def _post_until_answered(
    texts: Sequence[bytes], random: Callable[[], float], on_retry: OnRetry
) -> Generator[Step, PostResult | None, Answered | TooLarge | Refused]:
    attempt = 0
    while True:
        attempt += 1
        result = yield Post(texts)
        if isinstance(result, (Answered, TooLarge, Refused)):
            return result
        assert isinstance(result, TryAgain)
        retry_in_ms = retry_delay_ms(attempt, result.retry_after_ms, random())
        on_retry(result, retry_in_ms)
        yield Wait(retry_in_ms)

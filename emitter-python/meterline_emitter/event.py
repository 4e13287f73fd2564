"""What a usage event is, and what the service accepts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypedDict, Union

# A level: the highest sample of a day counts.
PeakMetric = Literal["database_size_bytes", "file_storage_bytes"]
# A flow: the samples of a day are summed.
CumulativeMetric = Literal[
    "ai_tokens",
    "mcp_calls",
    "egress_bytes",
    "ai_credits",
    "email_requests",
    "function_calls",
    "ec2_compute",
]
# The documented metrics. Operators define others, so an event may have any name.
Metric = Union[PeakMetric, CumulativeMetric]

# Not negative, at most 29 integer and 9 fraction digits. int, Decimal and text are exact; a float is written with
# the shortest digits that give the same float.
Value = Union[int, Decimal, str, float]

# What the service accepts in one request.
EVENTS_PER_REQUEST_MAX = 10_000
BODY_BYTES_MAX = 10 * 1024 * 1024


class _Event(TypedDict):
    project_id: str
    metric: Union[Metric, str]
    value: Value


class UsageEvent(_Event, total=False):
    """A usage event as the caller gives it."""

    timestamp: datetime | int | str
    """When it was used: a datetime with a time zone, milliseconds since 1970, or RFC 3339. Now, if it is left out."""
    event_id: str
    """Unique within the project. A UUIDv7, if it is left out: then two calls are two events."""
    labels: Mapping[str, str]
    """By the keys that the metric declares, at most 64 characters each. Others are ignored."""


class _Increment(TypedDict):
    project_id: str
    metric: Union[CumulativeMetric, str]


class Increment(_Increment, total=False):
    """An addition to a sum."""

    value: Value
    """1, if it is left out."""
    labels: Mapping[str, str]
    """Each set of labels of a metric has a sum of its own."""


class _Correction(TypedDict):
    project_id: str
    corrects: str
    action: Literal["void", "amend"]
    reason: str


class UsageCorrection(_Correction, total=False):
    """
    A correction of an event of a month that is still open. `corrects` is the event's event_id; void: it does not count
    any more; amend: it counts with `value`. `reason`: 1 to 500 characters, which the partner can read.
    """

    value: Value
    """For amend only."""
    event_id: str
    """Of the correction itself. A UUIDv7, if it is left out."""


class _WireEvent(TypedDict):
    event_id: str
    project_id: str
    metric: str
    value: int | Decimal | str
    timestamp: str


class WireEvent(_WireEvent, total=False):
    """An event as it was sent; hooks get it. A correction has `corrects`, `action` and `reason` instead of the others."""

    labels: Mapping[str, str]

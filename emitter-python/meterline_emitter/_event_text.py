"""The JSON of an event."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from ._number_text import SAFE_INTEGER_MAX, decimal_text, float_text, plain_integer

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def text_of_event(event: Mapping[str, Any], event_id: object, now_ms: int) -> bytes:
    """
    The event as UTF-8. What the service would reject is sent all the same: the service keeps a rejected event with its
    reason, so that it can be corrected. Raises if there is no such text.
    """
    members = [f'"event_id":{_encode(event_id)}']
    for name in ("project_id", "metric"):
        if name in event:
            members.append(f'"{name}":{_encode(event[name])}')
    if "value" in event:
        members.append(f'"value":{_value_json(event["value"])}')
    timestamp = event.get("timestamp")
    members.append(f'"timestamp":{_encode(timestamp_text(now_ms if timestamp is None else timestamp))}')
    labels = event.get("labels")
    if labels is not None:
        members.append(f'"labels":{_encode(dict(labels))}')
    # Half of a surrogate pair has no UTF-8; its escape is what JSON has for it.
    return f"{{{','.join(members)}}}".encode("utf-8", errors="backslashreplace")


def text_of_correction(correction: Mapping[str, Any], event_id: object, _now_ms: int) -> bytes:
    """The correction as UTF-8. Raises if there is no such text."""
    members = [f'"event_id":{_encode(event_id)}']
    for name in ("project_id", "corrects", "action", "value", "reason"):
        if name in correction:
            write = _value_json if name == "value" else _encode
            members.append(f'"{name}":{write(correction[name])}')
    return f"{{{','.join(members)}}}".encode("utf-8", errors="backslashreplace")


def timestamp_text(timestamp: object) -> object:
    """RFC 3339 in UTC. A datetime without a time zone keeps none: the service rejects it, and no zone is guessed."""
    if isinstance(timestamp, datetime):
        if timestamp.utcoffset() is None:
            return timestamp.isoformat()
        return _in_utc(timestamp)
    if isinstance(timestamp, (int, float)):
        try:
            return _in_utc(_EPOCH + timedelta(milliseconds=timestamp))
        except (OverflowError, ValueError):
            return "Invalid Date"
    return timestamp


def _in_utc(time: datetime) -> str:
    return f"{time.astimezone(timezone.utc).isoformat(timespec='milliseconds')[:-6]}Z"


def _value_json(value: object) -> str:
    """An integer that some readers of JSON would round, and what JSON has no number for, is written as text."""
    value = plain_integer(value)
    if isinstance(value, Decimal):
        return _encode(decimal_text(value))
    if isinstance(value, float):
        return float_text(value) if math.isfinite(value) else _encode(float_text(value))
    if isinstance(value, int) and abs(value) > SAFE_INTEGER_MAX:
        return _encode(str(value))
    return _encode(value)

"""The labels of ids in a conformance case."""

from __future__ import annotations

import re
from typing import Any

_UUID_V7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Labels:
    def __init__(self) -> None:
        self._by_id: dict[str, str] = {}

    def bind(self, label: str, event_id: str, at_ms: int) -> None:
        """Fails unless the id is a UUIDv7 of this time that has no other label."""
        assert _UUID_V7.fullmatch(event_id), f"{label} is not a UUIDv7: {event_id}"
        assert int(event_id.replace("-", "")[:12], 16) == at_ms, f"{label} has another time than {at_ms}: {event_id}"
        assert event_id not in self._by_id, f"{label} and {self._by_id.get(event_id)} have one id: {event_id}"
        self._by_id[event_id] = label

    def show(self, happened: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
        """What happened, in the form of what was expected: with labels, and with no more detail."""
        ((kind, detail),) = happened.items()
        wanted = expected.get(kind)
        if kind == "request":
            self._bind_sums(detail, wanted or {})
            if wanted is not None and "ids" in wanted:
                detail = {"at_ms": detail["at_ms"], "ids": [event["event_id"] for event in detail["events"]]}
        if kind == "dropped" and wanted is not None and "count" in wanted:
            detail = {"count": len(detail["ids"]), "reason": detail["reason"]}
        if kind == "problem" and wanted is not None:
            detail = {name: value for name, value in detail.items() if name in wanted}
        return {kind: self._labelled(detail)}

    def _bind_sums(self, request: dict[str, Any], wanted: dict[str, Any]) -> None:
        """The id of a sum has its label where it first appears."""
        for event, sent in zip(wanted.get("events", []), request["events"]):
            label, event_id = event["event_id"], sent["event_id"]
            if label.startswith("$") and label not in self._by_id.values():
                self.bind(label, event_id, int(event_id.replace("-", "")[:12], 16))

    def _labelled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._labelled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._labelled(each) for each in value]
        return self._by_id.get(value, value) if isinstance(value, str) else value

"""Sends usage events to Meterline: batched, retried with the same ids, bounded in memory."""

from ._core import Closed
from .emitter import Emitter
from .event import CumulativeMetric, Increment, Metric, PeakMetric, UsageCorrection, UsageEvent, Value, WireEvent
from .reports import DeliveredBatch, DroppedEvents, DropReason, Problem, RejectedEvent, Totals

__all__ = [
    "Closed",
    "CumulativeMetric",
    "DeliveredBatch",
    "DropReason",
    "DroppedEvents",
    "Emitter",
    "Increment",
    "Metric",
    "PeakMetric",
    "Problem",
    "RejectedEvent",
    "Totals",
    "UsageCorrection",
    "UsageEvent",
    "Value",
    "WireEvent",
]

from __future__ import annotations

import json
import unittest
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from meterline_emitter._event_text import text_of_event
from meterline_emitter._number_text import float_text, format_billionths, parse_billionths

NOW_MS = 1_769_860_800_123


def member(name: str, value: Any) -> str:
    """The JSON of a member of an event."""
    text = text_of_event({"project_id": "p", "metric": "m", "value": 1, name: value}, "e", NOW_MS)
    parsed = json.loads(text, parse_float=lambda digits: f"float {digits}", parse_int=lambda digits: f"int {digits}")
    return str(parsed[name])


class EventText(unittest.TestCase):
    def test_an_integer_and_a_decimal_keep_every_digit(self) -> None:
        self.assertEqual(member("value", 2**53 - 1), f"int {2**53 - 1}")
        self.assertEqual(member("value", 2**53 + 1), str(2**53 + 1))
        for digits in ("12345678901234567890.123456789", "0.000000001", "0.10"):
            self.assertEqual(member("value", Decimal(digits)), digits)
        self.assertEqual(member("value", Decimal("1E+3")), "1000")
        self.assertEqual(member("value", Decimal("1E+999999")), "1E+999999")

    def test_a_float_is_written_as_javascript_writes_it(self) -> None:
        expected = {0.1: "0.1", 1500.0: "1500", 1e16: "10000000000000000", 1e20: "100000000000000000000"}
        expected.update(
            {1e21: "1e+21", 1.5e-7: "1.5e-7", 1e-6: "0.000001", -0.0: "0", 0.1 + 0.2: "0.30000000000000004"}
        )
        self.assertEqual({value: float_text(value) for value in expected}, expected)
        self.assertEqual([member("value", value) for value in (float("nan"), float("-inf"))], ["NaN", "-Infinity"])

    def test_a_time_is_written_in_utc_and_a_missing_zone_is_not_guessed(self) -> None:
        east = timezone(timedelta(hours=2))
        self.assertEqual(member("timestamp", datetime(2026, 1, 31, 14, 0, 0, 123456, east)), "2026-01-31T12:00:00.123Z")
        self.assertEqual(member("timestamp", datetime(2026, 1, 31, 14)), "2026-01-31T14:00:00")
        self.assertEqual(member("timestamp", 10**30), "Invalid Date")

    def test_text_of_every_kind_is_valid_json_in_utf_8(self) -> None:
        for text in ("é😀", 'quote " backslash \\ line \n', "\ud800", "\x7f\x00"):
            written = text_of_event({"project_id": text, "metric": "m", "value": 1}, "e", NOW_MS)
            self.assertEqual(json.loads(written.decode("utf-8"))["project_id"], text)

    def test_sums_are_exact(self) -> None:
        values = [Decimal("0.1"), 0.2, "99999999999999999999.000000001", 7, 10**20]
        self.assertEqual(
            format_billionths(sum(parse_billionths(value) or 0 for value in values)), "200000000000000000006.300000001"
        )
        inexact: Any = [1234567.123456789, -1, "1e3", "much", True, None, Decimal("NaN"), "0.0000000001", "१"]
        self.assertEqual([parse_billionths(value) for value in inexact], [None] * len(inexact))

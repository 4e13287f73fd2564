from __future__ import annotations

import unittest

from .run_case import read_conformance, run_case


class Conformance(unittest.TestCase):
    def test_every_case_of_the_conformance_file(self) -> None:
        conformance = read_conformance()
        self.assertGreater(len(conformance["cases"]), 50)
        for case in conformance["cases"]:
            for number, (expected, happened) in enumerate(run_case(case, conformance["defaults"]), start=1):
                with self.subTest(case["name"], step=number):
                    self.assertEqual(happened, expected)

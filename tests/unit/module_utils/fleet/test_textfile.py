# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics as a textfile has them."""

from __future__ import annotations

from plugins.module_utils.fleet.textfile import Family, Sample, before, one, render


def test_a_family_says_what_it_is_and_all_its_samples() -> None:
    family = Family("up", "Whether it is.", (Sample(1, {"at": 'a "b"\\\n'}), Sample(0.5)))
    assert render([family]) == '# HELP up Whether it is.\n# TYPE up gauge\nup{at="a \\"b\\"\\\\ "} 1\nup 0.5\n'


def test_what_was_not_measured_is_left_out() -> None:
    assert render([Family("up", "Whether it is.", one(None))]) == "\n"


def test_what_was_written_is_read_again() -> None:
    text = render([Family("up_more", "", one(2.0)), Family("up", "", one(1735725600.25))])
    assert before(text, "up") == 1735725600.25
    assert before(text, "down") is None

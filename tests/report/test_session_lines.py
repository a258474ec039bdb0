"""What the reports say of sessions and their first runs, line by line."""

from __future__ import annotations

from growing_shapes import growing

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.session_lines import session_lines


def test_the_report_says_what_new_shapes_cost(tmp_path):
    (line,) = (line for line in session_lines(Analyses(growing(2).load(tmp_path))) if "not seen before" in line)
    assert line.startswith("run 5, with input shapes not seen before, +400 µs over steady: Conv nodes on the host")

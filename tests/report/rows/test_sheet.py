from __future__ import annotations

import captures
import numpy as np
import pytest

from ortprobe.report.rows.marks import REFS, Category, NamePool, Ref
from ortprobe.report.rows.sheet import lay_out
from ortprobe.rules import judge
from ortprobe.timeline import NONE


@pytest.mark.parametrize("name", ["missing-wait", "set-providers", "healthy"])
def test_each_mark_refers_to_what_its_category_says(name):
    analyses = captures.example(name)
    timeline = analyses.timeline
    marks = lay_out(judge(analyses), NamePool(list(timeline.names))).marks()
    kind = np.array([list(Ref).index(REFS[category]) for category in Category])[marks.category]
    is_span = kind == list(Ref).index(Ref.SPAN)
    assert np.array_equal(is_span, marks.source != NONE), "what has a row in a file is a span"
    assert np.array_equal(timeline.spans.start_ns[marks.ref[is_span]], marks.start_ns[is_span])
    is_wait = kind == list(Ref).index(Ref.WAIT)
    assert marks.ref[is_wait].min() >= 0
    assert marks.ref[is_wait].max() < len(analyses.waits)

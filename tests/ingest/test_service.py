"""A web service on an H100: four threads of a pool run two sessions at once, and none of them began the capture."""

from __future__ import annotations

from collections import Counter

import captures
import numpy as np
import pytest

from ortprobe.bundle import Handover, read_bundle
from ortprobe.timeline import NONE, Bools, ClockMethod, Kind, ProblemKind, SourceKind, Timeline


@pytest.fixture(scope="module")
def service() -> Timeline:
    return captures.service()


def kernels_of_ort(service: Timeline) -> tuple[np.ndarray, Bools]:
    kernels = service.spans.of_kind(Kind.KERNEL)
    kernels = kernels[service.links.run[kernels] != NONE]
    return kernels, service.links.node[kernels] != NONE


def test_runs_of_every_thread_are_there(service: Timeline) -> None:
    assert len(service.runs) == 160
    assert Counter(service.runs.session.tolist()) == {0: 40, 1: 120}
    assert len(set(service.runs.lane.tolist())) == 4


def test_clock_of_each_session_is_witnessed_by_its_own_launches(service: Timeline) -> None:
    clocks = [one for one in service.clocks if service.sources[one.source].kind is SourceKind.ORT_PROFILE]
    assert [clock.method for clock in clocks] == [ClockMethod.EPOCH] * 2
    assert all(clock.low_ns <= 0 <= clock.high_ns and clock.witnesses >= 64 for clock in clocks)
    assert ProblemKind.CLOCK_DOUBT not in {problem.kind for problem in service.problems}


def test_kernels_belong_to_nodes_of_the_session_that_ran(service: Timeline) -> None:
    kernels, has_node = kernels_of_ort(service)
    assert (len(kernels), int(has_node.sum())) == (480, 480)
    run, node = service.links.run[kernels[has_node]], service.links.node[kernels[has_node]]
    assert (service.nodes.session[node] == service.runs.session[run]).all()


def test_requests_are_handed_over_from_thread_to_thread() -> None:
    bundle = read_bundle(captures.DATA / "h100-service.ortprobe")
    handovers = [record for record in bundle.records if isinstance(record, Handover)]
    given = {record.token: record for record in handovers if record.what == "future.submit"}
    ran = [record for record in handovers if record.what == "future.run" and record.token in given]
    assert len(ran) > 20
    assert all(given[record.token].thread != record.thread for record in ran)
    assert all(given[record.token].at_ns <= record.at_ns for record in ran)

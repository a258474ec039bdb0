"""What each kind of problem makes unsayable, and where."""

from __future__ import annotations

from dataclasses import replace

import captures
import pytest

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.trust.claims import UNSAYABLE, Claim
from ortprobe.analysis.trust.integrity import Integrity
from ortprobe.timeline import Problem, ProblemKind


def integrity(*problems: Problem) -> Integrity:
    """Of the healthy capture, had it these problems."""
    return Analyses(replace(captures.healthy(), problems=problems)).integrity


def forbidden(*problems: Problem) -> set[Claim]:
    judged = integrity(*problems)
    return {claim for claim in Claim if not judged.can_say(claim).yes}


def test_everything_can_be_said_of_a_sound_capture():
    assert forbidden() == set()


def test_every_kind_of_problem_forbids_something_or_says_what_is_missing_itself():
    assert set(ProblemKind) - set(UNSAYABLE) == {ProblemKind.NOT_CAPTURED}


@pytest.mark.parametrize(
    ("kind", "claims"),
    [
        (ProblemKind.NO_ORT_PROFILE, {Claim.NODE_TIME}),
        (ProblemKind.PROFILE_TRUNCATED, {Claim.NODE_TIME, Claim.COUNTS}),
        (ProblemKind.CALLS_LOST, {Claim.CALLS, Claim.ORDER}),
        (ProblemKind.NO_SYNC_RECORDS, {Claim.WAITS, Claim.ORDER}),
        (ProblemKind.CLOCK_STEPPED, set(Claim) - {Claim.CALLS, Claim.COUNTS}),
    ],
)
def test_what_rests_on_what_is_missing_can_not_be_said_and_the_rest_can(kind, claims):
    assert forbidden(Problem(kind=kind, detail="")) == claims


def test_the_answer_names_the_problem_and_the_reason():
    problem = Problem(kind=ProblemKind.NO_ORT_PROFILE, detail="")
    answer = integrity(problem).can_say(Claim.NODE_TIME)
    assert [objection.problem for objection in answer.objections] == [problem]
    assert answer.why_not == "there is no profile that names the nodes"


def lost_head(count: int) -> Problem:
    start_ns = captures.healthy().start_ns
    return Problem(
        kind=ProblemKind.LOST_HEAD, detail="", count=count, start_ns=start_ns, end_ns=start_ns + 1_000_000
    )  # fmt: skip


def test_a_few_lost_launches_forbid_nothing_about_the_whole_and_all_about_their_stretch():
    judged, start_ns = integrity(lost_head(2)), captures.healthy().start_ns
    assert judged.can_say(Claim.IDLE).yes
    assert not judged.can_say(Claim.IDLE, start_ns + 500_000, start_ns + 600_000).yes
    assert judged.can_say(Claim.IDLE, start_ns + 2_000_000, start_ns + 3_000_000).yes


def test_many_lost_launches_forbid_both_but_nothing_elsewhere():
    judged, start_ns = integrity(lost_head(200)), captures.healthy().start_ns
    assert not judged.can_say(Claim.IDLE).yes
    assert judged.can_say(Claim.IDLE, start_ns + 2_000_000, start_ns + 3_000_000).yes


def test_unresolved_waits_forbid_to_speak_of_waits_when_they_are_most_of_them():
    waits = len(captures.healthy().waits.span)
    assert forbidden(Problem(kind=ProblemKind.WAITS_UNRESOLVED, detail="", count=waits // 3)) == set()
    assert forbidden(Problem(kind=ProblemKind.WAITS_UNRESOLVED, detail="", count=waits)) == {Claim.WAITS}


def test_losses_of_several_traces_undermine_a_verdict_together():
    each = [replace(lost_head(3), source=source) for source in range(3)]
    assert len(captures.healthy().device_ops.span) > 300
    assert integrity(each[0]).ok
    assert not integrity(*each).ok

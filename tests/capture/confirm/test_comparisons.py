"""What tells a wrong order: calls on real sessions and tensors, with the late or early write made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from ortprobe.bundle.confirmations import Suspect
from ortprobe.capture.confirm.calls import HookedCall, Untried, content_of, same_site
from ortprobe.capture.confirm.comparisons import Comparison, Outcome, choose
from ortprobe.capture.confirm.gpu import Gpu

CHANGED, SAME = Outcome(changed=True), Outcome(changed=False)


def comparison(hazard: str, first: str, second: str) -> Comparison:
    chosen = choose(
        Suspect(hazard=hazard, first_what=first, first_site="a.py:1", second_what=second, second_site="a.py:2"), Gpu(0)
    )
    assert isinstance(chosen, Comparison)
    return chosen


def made(what: str, original: Any, *args: Any) -> HookedCall:
    call = HookedCall(what, original, args, {})
    call.result = original(*args)
    return call


class Bound:
    """A session with its input and output bound to tensors."""

    def __init__(self, model: Path) -> None:
        self.session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        self.image, self.output = torch.ones((2, 3)), torch.zeros((2, 3))
        self.binding = self.session.io_binding()
        self.binding.bind_input("x", "cpu", 0, np.float32, (2, 3), self.image.data_ptr())
        self.binding.bind_output("y", "cpu", 0, np.float32, (2, 3), self.output.data_ptr())

    def run(self) -> HookedCall:
        return made("run_with_iobinding", type(self.session).run_with_iobinding, self.session, self.binding)


@pytest.fixture
def bound(model: Path) -> Bound:
    return Bound(model)


@pytest.mark.parametrize(("late", "outcome"), [(True, CHANGED), (False, SAME)])
def test_run_that_came_before_the_write_of_its_input(bound: Bound, late: bool, outcome: Outcome) -> None:
    if not late:
        bound.image.fill_(7)
    call = bound.run()
    bound.image.fill_(7)
    assert comparison("read-after-write", "copy_", "run_with_iobinding").after_second(call) == outcome


@pytest.mark.parametrize("what", ["run", "run_with_ort_values"])
@pytest.mark.parametrize(("late", "outcome"), [(7, CHANGED), (1, SAME)])
def test_run_with_feeds(bound: Bound, what: str, late: float, outcome: Outcome) -> None:
    feed = np.ones((2, 3), np.float32)
    value = feed if what == "run" else onnxruntime.OrtValue.ortvalue_from_numpy(feed)
    call = made(what, getattr(type(bound.session), what), bound.session, ["y", "z"], {"x": value})
    feed[:] = late
    if what == "run_with_ort_values":
        value.update_inplace(feed)
    assert comparison("read-after-write", "copy_", what).after_second(call) == outcome


@pytest.mark.parametrize(("what", "args"), [("clone", ()), ("to", (torch.float64,)), ("tolist", ())])
@pytest.mark.parametrize(("late", "outcome"), [(7.0, CHANGED), (float("nan"), CHANGED), (0.0, SAME)])
def test_read_that_came_before_the_write(what: str, args: tuple[Any, ...], late: float, outcome: Outcome) -> None:
    source = torch.zeros((2, 3), requires_grad=what == "clone")
    call = made(what, getattr(torch.Tensor, what), source, *args)
    source.data.fill_(late)
    assert comparison("read-after-write", "run", what).after_second(call) == outcome


def test_copy_into_another_tensor_that_came_before_the_write() -> None:
    source, target = torch.zeros(4, dtype=torch.bfloat16), torch.ones(4)
    call = made("copy_", torch.Tensor.copy_, target, source)
    source.fill_(3)
    assert comparison("read-after-write", "run", "copy_").after_second(call) == CHANGED
    assert target.tolist() == [3.0] * 4


@pytest.mark.parametrize(("early", "outcome"), [(True, CHANGED), (False, SAME)])
def test_input_that_was_refilled_before_the_run_had_read_it(bound: Bound, early: bool, outcome: Outcome) -> None:
    """The input is known from the second time on, and holds what it was refilled with afterwards."""
    compared = comparison("write-after-read", "run_with_iobinding", "copy_")
    refill = torch.full((2, 3), 5.0)
    outcomes = []
    for _ in range(2):
        bound.image.fill_(1)
        compared.before_first(HookedCall("run_with_iobinding", print, (bound.session, bound.binding), {}))
        if early:
            bound.image.copy_(refill)
        run = bound.run()
        compared._run = run
        outcomes.append(compared.after_second(made("copy_", torch.Tensor.copy_, bound.image, refill)))
        compared.drop()
        assert bound.image.tolist() == refill.tolist()
    assert outcomes == [None, outcome]


def test_refill_of_other_memory_each_time_is_not_compared(bound: Bound) -> None:
    compared = comparison("write-after-read", "run_with_iobinding", "copy_")
    others = [torch.zeros((2, 3)) for _ in range(10)]
    for other in others:
        compared.before_first(bound.run())
        assert compared.after_second(made("copy_", torch.Tensor.copy_, other, torch.ones((2, 3)))) is None
        compared.drop()


@pytest.mark.parametrize("what", ["clone", "copy_"])
@pytest.mark.parametrize(("early", "outcome"), [(True, CHANGED), (False, SAME)])
def test_output_that_was_overwritten_before_it_was_read(bound: Bound, what: str, early: bool, outcome: Outcome) -> None:
    compared = comparison("write-after-read", what, "run_with_iobinding")
    target = torch.zeros((2, 3))
    args = (target, bound.output) if what == "copy_" else (bound.output,)
    call = HookedCall(what, getattr(torch.Tensor, what), args, {})
    compared.before_first(call)
    if early:
        bound.run()
    call.result = call.original(*args)
    compared.after_first(call)
    assert compared.after_second(bound.run()) == outcome


@pytest.mark.parametrize(
    ("hazard", "first", "second", "why"),
    [
        ("read-after-write", "mul_", "run", "calls of mul_ can't be repeated"),
        ("write-after-read", "run", "to", "what to overwrites can't be put back"),
        ("write-after-read", "run", "run", "what run overwrites can't be put back"),
    ],
)
def test_pairs_that_are_not_tried(hazard: str, first: str, second: str, why: str) -> None:
    suspect = Suspect(hazard=hazard, first_what=first, first_site="a.py:1", second_what=second, second_site="a.py:2")
    assert choose(suspect, Gpu(0)) == why


def test_contents_are_equal_bit_for_bit() -> None:
    nan = torch.tensor([float("nan")])
    assert content_of([nan]) == content_of([nan.clone()])
    assert content_of([torch.tensor([0.0])]) != content_of([torch.tensor([-0.0])])
    assert content_of([torch.zeros((2, 3))]) != content_of([torch.zeros((3, 2))])
    assert content_of([torch.zeros((0, 3)), torch.tensor(1), torch.tensor([True])])
    assert content_of([np.array(["a", "b"], object)]) == content_of([np.array(["a", "b"], object)])
    with pytest.raises(Untried, match="a object can't be compared"):
        content_of([object()])


def test_sites_of_one_line_are_equal_by_whichever_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert same_site(f"{tmp_path}/link/a.py:3") == same_site(f"{tmp_path}/real/a.py:3")
    assert same_site(f"{tmp_path}/real/a.py:3") != same_site(f"{tmp_path}/real/a.py:4")
    assert same_site("") != same_site("a.py:1")

"""Which operations of torch touched bound memory, against programs whose accesses are known."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._C._profiler import _ExperimentalConfig, _RecordFunctionFast

from ortprobe.bundle import Access
from ortprobe.capture.profiler.accesses import bound_accesses
from ortprobe.capture.profiler.bound_ranges import Ranges

Program = Callable[[torch.Tensor], object]


def profiled(program: Callable[[], object], **config: bool) -> torch.autograd.profiler.profile:
    """As a capture does it."""
    with torch.autograd.profiler.profile(
        use_kineto=True, record_shapes=True, profile_memory=True, experimental_config=_ExperimentalConfig(**config)
    ) as profiler:
        program()
    return profiler


def event_tree(profiler: torch.autograd.profiler.profile) -> list:
    return profiler.kineto_results.experimental_event_tree()


def ranges(*tensors: torch.Tensor) -> Ranges:
    return Ranges.of((tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes) for tensor in tensors)


def accesses(program: Program, shape: tuple[int, ...] = (4, 6), **config: bool) -> list[Access]:
    """What is found of a bound tensor of random numbers that a program is given."""
    bound = torch.rand(shape)
    return list(bound_accesses(event_tree(profiled(lambda: program(bound), **config)), ranges(bound)))


def touched(program: Program, **config: bool) -> list[tuple[str, str]]:
    return [(access.op, access.mode) for access in accesses(program, **config)]


OTHER = torch.rand(4, 6)

KNOWN: dict[str, tuple[Program, list[tuple[str, str]]]] = {
    "copy into": (lambda x: x.copy_(OTHER), [("aten::copy_", "write")]),
    "copy from": (lambda x: torch.empty(4, 6).copy_(x), [("aten::copy_", "read")]),
    "clone": (lambda x: x.clone(), [("aten::copy_", "read")]),
    "conversion": (lambda x: x.to(torch.float64), [("aten::copy_", "read")]),
    "conversion of nothing": (lambda x: x.to(torch.float32), []),
    "add in place": (lambda x: x.add_(OTHER), [("aten::add_", "write")]),
    "add a number in place": (lambda x: x.add_(1), [("aten::add_", "write")]),
    "add as the other": (lambda x: torch.zeros(4, 6).add_(x), [("aten::add_", "read")]),
    "add to itself": (lambda x: x.add_(x), [("aten::add_", "read"), ("aten::add_", "write")]),
    "add": (lambda x: x + x, [("aten::add", "read")]),
    "multiply out": (lambda x: torch.mul(OTHER, 2, out=x), [("aten::mul", "write")]),
    "multiply": (lambda x: torch.mul(x, OTHER, out=torch.empty(4, 6)), [("aten::mul", "read")]),
    "divide": (lambda x: x.div(2), [("aten::div", "read")]),
    "fill": (lambda x: x.fill_(2), [("aten::fill_", "write")]),
    "zero": (lambda x: x.zero_(), [("aten::zero_", "write")]),
    "put at indices": (lambda x: x.index_put_((torch.tensor([0]),), OTHER[0]), [("aten::_index_put_impl_", "write")]),
    "join out": (lambda x: torch.cat([OTHER[:2], OTHER[2:]], out=x), [("aten::cat", "write")]),
    "join": (lambda x: torch.cat([OTHER, x]), [("aten::cat", "read")]),
    "contiguous": (lambda x: x.t().contiguous(), [("aten::copy_", "read")]),
    "contiguous already": (lambda x: x.contiguous(), []),
    "flatten": (lambda x: x.reshape(-1), []),
    "flatten a transposed": (lambda x: x.t().reshape(-1), [("aten::copy_", "read")]),
    "item": (lambda x: x[1, 2].item(), [("aten::_local_scalar_dense", "read")]),
    "as numpy": (lambda x: x.numpy(), []),
    "matrix product": (lambda x: x @ OTHER.t(), [("aten::mm", "read")]),
    "linear": (lambda x: torch.nn.functional.linear(OTHER, x), [("aten::mm", "read")]),
    "convolution": (
        lambda x: torch.conv1d(x[None], torch.ones(2, 4, 3)),
        [("aten::_slow_conv2d_forward", "read")],
    ),
    "softmax": (lambda x: x.softmax(-1), [("aten::_softmax", "read")]),
    "relu in place": (lambda x: x.relu_(), [("aten::clamp_min_", "write")]),
    "many at once": (
        lambda x: torch._foreach_add_([x, OTHER.clone()], [OTHER, OTHER]),
        [("aten::add_", "write")],
    ),
    "random": (lambda x: x.uniform_(), [("aten::uniform_", "write")]),
    "choose": (lambda x: torch.where(OTHER > 0, x, OTHER), [("aten::where", "read")]),
    "sum": (lambda x: x.sum(), [("aten::sum", "read")]),
    "assign a row": (lambda x: x.__setitem__(0, 5.0), [("aten::copy_", "write")]),
    "write through a view": (lambda x: x.view(24)[3:9].mul_(OTHER.view(24)[:6]), [("aten::mul_", "write")]),
    "read through a broadcast": (lambda x: x[0].expand(4, 6).clone(), [("aten::copy_", "read")]),
    "views": (lambda x: (x[1:], x.t(), x.view(24), x.unsqueeze(0), x.split(2), x.detach(), x.expand(2, 4, 6)), []),
    "views in place": (lambda x: x.detach().t_().unsqueeze_(0).squeeze_(), []),
    "shapes": (lambda x: (torch.empty_like(x), torch.zeros_like(x), x.new_ones(3), OTHER.view_as(x)), []),
    "dropout in use": (lambda x: torch.nn.functional.dropout(x, training=False), []),
    "no elements": (lambda x: x[:0].clone(), []),
    "elsewhere": (lambda x: (OTHER.clone().add_(1), OTHER @ OTHER.t()), []),
}


@pytest.mark.parametrize("kind", KNOWN)
@pytest.mark.parametrize("config", [{}, {"profile_all_threads": True}], ids=["this thread", "all threads"])
def test_each_kind_of_operation_is_found_once_and_innermost(kind: str, config: dict[str, bool]) -> None:
    program, expected = KNOWN[kind]
    assert touched(program, **config) == expected


def test_recorded_overload_names_are_used() -> None:
    assert touched(lambda x: torch.mul(OTHER, 2, out=x), capture_overload_names=True) == [("aten::mul", "write")]


def test_start_is_that_of_the_operations_row(tmp_path: Path) -> None:
    bound = torch.rand(4, 6)
    profiler = profiled(lambda: [bound.clone(), bound.add_(1), bound @ bound.t()])
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    trace = json.loads((tmp_path / "trace.json").read_text())
    base_ns = trace["baseTimeNanoseconds"]
    rows = {
        (row["name"], base_ns + round(row["ts"] * 1000), base_ns + round(row["ts"] * 1000) + round(row["dur"] * 1000))
        for row in trace["traceEvents"]
        if row.get("cat") == "cpu_op"
    }
    found = list(bound_accesses(event_tree(profiler), ranges(bound)))
    assert {(access.op, access.start_ns, access.end_ns) for access in found} <= rows
    assert [access.op for access in found] == ["aten::copy_", "aten::add_", "aten::mm"]


def test_access_names_the_storage_and_what_the_tensor_spans() -> None:
    bound = torch.rand(4, 6)
    (whole, part) = bound_accesses(
        event_tree(profiled(lambda: (bound.add_(OTHER), bound[1:3, :2].add_(1)))), ranges(bound)
    )
    assert (whole.address, whole.size_bytes, whole.extent_bytes, whole.dtype) == (bound.data_ptr(), 96, 96, "float32")
    assert (part.address, part.size_bytes, part.extent_bytes) == (bound.data_ptr(), 96, (6 + 2) * 4)


def test_slice_that_is_bound_is_found_by_its_storage() -> None:
    pool = torch.zeros(1024)
    bound = pool[512:]
    tree = event_tree(profiled(lambda: bound.add_(1)))
    assert list(bound_accesses(tree, ranges(bound))) == []  # the window never shows how large the storage is
    (known,) = bound_accesses(tree, ranges(bound), {pool.data_ptr(): 4096})
    assert (known.mode, known.size_bytes, known.extent_bytes) == ("write", 4096, 2048)
    (seen,) = bound_accesses(event_tree(profiled(lambda: pool[512:].add_(1))), ranges(bound))
    assert (seen.mode, seen.size_bytes) == ("write", 4096)


def test_result_that_is_bound_later_was_made_by_the_operation_that_allocated_it() -> None:
    made: list[torch.Tensor] = []
    weights = torch.ones(2, 4, 3)

    def program() -> None:
        made.extend([OTHER + 1, OTHER.clone(), torch.conv1d(OTHER[None], weights), torch.empty(64)])

    tree = event_tree(profiled(program))
    total, clone, convolved, empty = ([(a.op, a.mode) for a in bound_accesses(tree, ranges(one))] for one in made)
    assert total == [("aten::add", "make")]
    assert clone == [("aten::clone", "make"), ("aten::copy_", "write")]
    assert convolved == [("aten::_slow_conv2d_forward", "make")]
    assert empty == [("aten::empty", "make")]


def test_block_that_is_used_again_was_made_several_times() -> None:
    addresses: list[int] = []

    def program() -> None:
        for _ in range(50):
            addresses.append(torch.ones(100_003).mul(2).data_ptr())

    tree = event_tree(profiled(program))
    address = max(set(addresses), key=addresses.count)
    makes = [access for access in bound_accesses(tree, Ranges.of([(address, address + 4)])) if access.mode == "make"]
    assert len(makes) >= addresses.count(address) > 1
    assert all(access.size_bytes == 400_012 for access in makes)


def test_other_threads_are_seen_when_all_are_profiled() -> None:
    def program(bound: torch.Tensor) -> None:
        threads = [threading.Thread(target=bound.add_, args=(OTHER,)), threading.Thread(target=bound.clone)]
        for thread in threads:
            thread.start()
            thread.join()

    assert touched(program, profile_all_threads=True) == [("aten::add_", "write"), ("aten::copy_", "read")]


def test_operation_that_torch_has_no_schema_of_counts_as_both() -> None:
    def alone(bound: torch.Tensor) -> None:
        with _RecordFunctionFast("triton_poi_fused_0", [bound]):
            pass

    def around(bound: torch.Tensor) -> None:
        with _RecordFunctionFast("region", [bound]):
            bound.clone()

    assert touched(alone) == [("triton_poi_fused_0", "read"), ("triton_poi_fused_0", "write")]
    assert touched(around) == [("aten::copy_", "read")]


def test_custom_operation_is_believed() -> None:
    def scale_in_numpy(tensor: torch.Tensor, by: torch.Tensor) -> None:
        np.multiply(tensor.numpy(), by.numpy(), out=tensor.numpy())

    with torch.library._scoped_library("ortprobe_test", "FRAGMENT") as library:
        library.define("scale_(Tensor(a!) self, Tensor by) -> ()")
        library.impl("scale_", scale_in_numpy, "CPU")
        scale = torch.ops.ortprobe_test.scale_
        assert touched(lambda x: scale(x, OTHER)) == [("ortprobe_test::scale_", "write")]
        assert touched(lambda x: scale(OTHER.clone(), x)) == [("ortprobe_test::scale_", "read")]


def test_backward_is_seen() -> None:
    def program(bound: torch.Tensor) -> None:
        leaf = torch.ones(4, 6, requires_grad=True)
        (leaf * bound).sum().backward()

    assert touched(program) == [("aten::mul", "read"), ("aten::mul", "read")]


def test_nothing_bound_is_nothing_found() -> None:
    assert list(bound_accesses(event_tree(profiled(OTHER.clone)), Ranges())) == []

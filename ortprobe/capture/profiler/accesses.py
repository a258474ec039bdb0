"""Which operations of torch read or wrote memory that a session had bound, from one window of torch's profiler.

The profiler has to have recorded shapes and memory (`record_shapes=True, profile_memory=True`) and must have kept its
events (`trace_only` not set). Its tree says of each tensor argument where its storage begins and what sizes and strides
it has, but not where in the storage a view begins: a view counts as its whole storage, as far as the window shows how
large that is. It does not show the end of a storage that was made before the window and of which only views were used
in it; give `storage_bytes` for those.

Not in the tree, and so not seen: accesses that are no operation of torch (numpy, a raw pointer, other libraries), and
tensors in a list that may hold None (`index_put_`'s indices). With `profile_all_threads` torch reports no allocations
(2.13), so that there is no `make`; without it, nothing of other threads is reported at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from ortprobe.bundle import Access
from ortprobe.capture.profiler.bound_ranges import Ranges
from ortprobe.capture.profiler.op_arguments import OperatorArguments, Use

if TYPE_CHECKING:
    from torch import dtype
    from torch._C._profiler import (
        _ExtraFields_Allocation,
        _ExtraFields_TorchOp,
        _ProfilerEvent,
        _TensorMetadata,
    )

_NO_PARENT = -1
_ALLOCATORS = ("aten::empty", "aten::new_empty", "aten::resize_")
_MODES = {Use.READ: "read", Use.WRITE: "write"}
Storage = tuple[int, int | None]
"""Address of a storage, and the profiler's number of that allocation, since addresses are used again."""
_Touch = tuple[Storage, Use]


@dataclass(slots=True)
class _Tensor:
    """An argument: the use made of it, or None where that is not known."""

    storage: Storage
    extent_bytes: int
    dtype: dtype
    use: Use | None


@dataclass(slots=True)
class _Op:
    name: str
    start_ns: int
    end_ns: int
    parent: int
    tensors: Sequence[_Tensor]


@dataclass(frozen=True, slots=True)
class _Allocation:
    address: int
    size_bytes: int
    at_ns: int
    parent: int


def bound_accesses(
    event_tree: Sequence[_ProfilerEvent], bound: Ranges, storage_bytes: Mapping[int, int] | None = None
) -> Iterator[Access]:
    """Reads, writes and makes of bound memory, by their start.

    Of operations inside one another the innermost counts that has the tensor among its arguments. An argument that is
    written is one `write`, whether or not it is read as well; where torch has no schema for an operation (a Triton
    kernel of a compiled function) each of its tensors is one `read` and one `write`. A `make` belongs to the operation
    for which the block was allocated, which is not `aten::empty` where that was called by another; a block that was
    freed and allocated again was made several times.

    Args:
        event_tree: `profile.profiler.kineto_results.experimental_event_tree()`, after `stop`.
        bound: all that was bound up to the window's end, since a buffer may be made first and bound later.
        storage_bytes: sizes of storages by their address, for those whose size the window does not show.

    Raises:
        Exception: of any kind, where this torch's events are unlike those of 2.13, with which this was tried.
    """
    if not bound:
        return
    tree = _Tree(storage_bytes or {})
    tree.read(event_tree)
    found = chain(tree.makes(bound), tree.touches(bound))
    yield from sorted(found, key=lambda access: (access.start_ns, access.address, access.mode))


class _Tree:
    """The operations with tensor arguments, those outside before those inside, and the allocations."""

    def __init__(self, storage_bytes: Mapping[int, int]) -> None:
        import torch
        from torch._C import _profiler

        self._of_op: type[_ExtraFields_TorchOp] = _profiler._ExtraFields_TorchOp
        self._of_allocation: type[_ExtraFields_Allocation] = _profiler._ExtraFields_Allocation
        self._metadata: type[_TensorMetadata] = _profiler._TensorMetadata
        self._function = _profiler.RecordScope.FUNCTION
        self._arguments = OperatorArguments(torch)
        self._storage_bytes = storage_bytes
        self._ops: list[_Op] = []
        self._allocations: list[_Allocation] = []
        self._seen_bytes: dict[Storage, int] = {}

    def read(self, event_tree: Sequence[_ProfilerEvent]) -> None:
        todo = [(event, _NO_PARENT) for event in reversed(event_tree)]
        while todo:
            event, parent = todo.pop()
            fields, inside = event.extra_fields, parent
            if isinstance(fields, self._of_op):
                inside = len(self._ops)
                self._ops.append(self._op(event, fields, parent))
            elif isinstance(fields, self._of_allocation):
                self._note_allocation(fields, event.start_time_ns, parent)
            todo.extend((child, inside) for child in reversed(event.children))

    def makes(self, bound: Ranges) -> Iterator[Access]:
        for block in self._allocations:
            if bound.overlap(block.address, block.size_bytes):
                op = self._maker(block.parent)
                yield Access(
                    op="[memory]" if op is None else op.name,
                    start_ns=block.at_ns if op is None else op.start_ns,
                    end_ns=block.at_ns if op is None else op.end_ns,
                    address=block.address,
                    size_bytes=block.size_bytes,
                    extent_bytes=block.size_bytes,
                    mode="make",
                )

    def touches(self, bound: Ranges) -> Iterator[Access]:
        hit = {storage for storage in self._seen_bytes if bound.overlap(storage[0], self._size_bytes(storage))}
        reported: defaultdict[int, set[_Touch]] = defaultdict(set)  # of an operation and of those inside it
        for index in range(len(self._ops) - 1, _NO_PARENT, -1):  # those inside before those outside
            op = self._ops[index]
            for tensor in op.tensors:
                if tensor.storage in hit:
                    for use in _still_to_report(tensor, reported[index]):
                        reported[index].add((tensor.storage, use))
                        yield self._access(op, tensor, use)
            if index in reported:
                reported[op.parent] |= reported.pop(index)

    def _access(self, op: _Op, tensor: _Tensor, use: Use) -> Access:
        return Access(
            op=op.name,
            start_ns=op.start_ns,
            end_ns=op.end_ns,
            address=tensor.storage[0],
            size_bytes=self._size_bytes(tensor.storage),
            extent_bytes=max(other.extent_bytes for other in op.tensors if other.storage == tensor.storage),
            mode=_MODES[use],
            dtype=str(tensor.dtype).removeprefix("torch."),
        )

    def _op(self, event: _ProfilerEvent, fields: _ExtraFields_TorchOp, parent: int) -> _Op:
        name, inputs = event.name, fields.inputs
        tensors: Sequence[_Tensor] = ()
        if fields.scope == self._function and not self._repeats(name, parent):
            for value in inputs:
                if isinstance(value, self._metadata | list):
                    uses = self._arguments.uses(name, getattr(event, "overload_name", ""), inputs)
                    tensors = self._tensors(inputs, uses)
                    break
        end_ns = max(event.end_time_ns, event.start_time_ns)  # one under way when the window closed has no end
        return _Op(name, event.start_time_ns, end_ns, parent, tensors)

    def _repeats(self, name: str, parent: int) -> bool:
        """Whether it is autograd's own record of the operation around it: `detach` in `aten::detach`."""
        return "::" not in name and parent != _NO_PARENT and self._ops[parent].name == f"aten::{name}"

    def _tensors(self, inputs: Sequence[object], uses: tuple[Use, ...] | None) -> list[_Tensor]:
        tensors: list[_Tensor] = []
        for index, value in enumerate(inputs):
            use = None if uses is None else uses[index]
            for one in value if isinstance(value, list) else (value,):
                if not isinstance(one, self._metadata):
                    continue
                address: int | None = one.storage_data_ptr
                if not address:
                    continue  # without memory: sparse, meta, or of no elements
                storage, extent_bytes = (address, one.allocation_id), _extent_bytes(one)
                if self._seen_bytes.get(storage, -1) < extent_bytes:
                    self._seen_bytes[storage] = extent_bytes
                if extent_bytes and use != Use.NONE:
                    tensors.append(_Tensor(storage, extent_bytes, one.dtype, use))
        return tensors

    def _note_allocation(self, fields: _ExtraFields_Allocation, at_ns: int, parent: int) -> None:
        address, size_bytes = fields.ptr, fields.alloc_size
        if address and size_bytes > 0:  # negative when it is freed
            self._seen_bytes[address, fields.allocation_id] = size_bytes
            self._allocations.append(_Allocation(address, size_bytes, at_ns, parent))

    def _size_bytes(self, storage: Storage) -> int:
        return max(self._seen_bytes[storage], self._storage_bytes.get(storage[0], 0))

    def _maker(self, parent: int) -> _Op | None:
        """The operation for which a block was allocated: the innermost that does more than allocate."""
        innermost = index = parent
        while index != _NO_PARENT:
            op = self._ops[index]
            if not op.name.startswith(_ALLOCATORS):
                return op
            index = op.parent
        return None if innermost == _NO_PARENT else self._ops[innermost]


def _still_to_report(tensor: _Tensor, reported: Set[_Touch]) -> tuple[Use, ...]:
    """What is not yet known of an argument, given what the operations inside did with the same storage."""
    read, write = (tensor.storage, Use.READ), (tensor.storage, Use.WRITE)
    if tensor.use is None:
        return () if read in reported or write in reported else (Use.READ, Use.WRITE)
    return () if (tensor.storage, tensor.use) in reported else (tensor.use,)


def _extent_bytes(tensor: _TensorMetadata) -> int:
    """Bytes from the first element of a tensor to behind its last; 0 of one without elements."""
    last = 0
    for size, stride in zip(tensor.sizes, tensor.strides, strict=True):
        if size == 0:
            return 0
        last += (size - 1) * stride
    return int((last + 1) * tensor.dtype.itemsize)

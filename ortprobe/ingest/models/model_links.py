"""From executed nodes back to the nodes of the model file.

In three steps: the node whose name the executed one bears or was made of (`product_names`); for fused nodes whose name
says nothing, their order, where it allows one answer alone; then the neighbours that were fused into them (`absorbed`).
A node is one of the file's own exactly if ORT's index of it is its position in the file, `Constant` nodes not counted
(ORT 1.20 to 1.32: none of 11,000 executed nodes with a name of the file had another).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from ortprobe.ingest.models.absorbed import absorbed_by
from ortprobe.ingest.models.graph_index import GraphIndex
from ortprobe.ingest.models.product_names import (
    blocked_values,
    gemm_output_token,
    inlined_name,
    is_inserted,
    is_merged_gemm_output,
    origins,
)
from ortprobe.timeline import NONE, LinkKind

_T = TypeVar("_T")
_CORES = {
    "FusedConv": ("Conv",),
    "FusedGemm": ("Gemm",),
    "Gelu": ("Erf",),
    "BiasGelu": ("Erf", "Gelu"),
    "FastGelu": ("Tanh", "Erf", "Gelu"),
    "QuickGelu": ("Sigmoid",),
    "SkipLayerNormalization": ("LayerNormalization", "Sqrt"),
    "SkipSimplifiedLayerNormalization": ("SimplifiedLayerNormalization", "RMSNormalization", "Sqrt"),
    "LayerNormalization": ("Sqrt",),
    "BiasSoftmax": ("Softmax",),
    "Attention": ("Softmax",),
    "MultiHeadAttention": ("Softmax",),
}
"""Of a fused operator, the operator that each of its patterns holds exactly once (ORT's `*_fusion.cc`)."""


@dataclass(frozen=True, slots=True)
class Executed:
    """A node as a profile has it; executed nodes are given in the order of their first execution."""

    name: str
    op_type: str
    index: int
    """ORT's own index; NONE where the profile does not say."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What an executed node was. `nodes` are rows of the model's `GraphNodes`, in the order of the file."""

    kind: LinkKind = LinkKind.NONE
    nodes: tuple[int, ...] = ()


@dataclass(slots=True)
class _Found:
    """What is known so far: for each executed node its kind and the nodes it surely holds."""

    kinds: list[LinkKind]
    held: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Executed node → the graph nodes that it surely holds: the one it was made of, then what stands behind that."""

    @property
    def taken(self) -> set[int]:
        """The graph nodes that some executed node holds."""
        return {node for nodes in self.held.values() for node in nodes}

    def add(self, row: int, kind: LinkKind, *held: int) -> None:
        self.kinds[row], self.held[row] = kind, held


def link_nodes(index: GraphIndex, executed: Sequence[Executed]) -> list[Origin]:
    """The origin of each executed node of one session in the model it was made of."""
    found = _Found([LinkKind.NONE] * len(executed))
    for row, node in enumerate(executed):
        _find_by_name(index, node, row, found)
    _find_by_order(index, executed, found)
    taken, groups = found.taken, dict[int, tuple[int, ...]]()
    for row in sorted(found.held, key=lambda row: _turn(executed[row].op_type)):
        held = found.held[row]
        more = absorbed_by(index, executed[row].op_type, held, found.kinds[row], taken)
        groups[row] = tuple(sorted({*held, *more}))
        taken.update(more)
    _find_reshapes(index, executed, found, groups)
    return [Origin(kind, groups.get(row, ())) for row, kind in enumerate(found.kinds)]


def _turn(op_type: str) -> int:
    """A BiasGelu always has its bias, which a Gemm may have; a Gemm goes before a normalisation, which may have it."""
    return 0 if op_type == "BiasGelu" else 2 if op_type in _CORES else 1


def _find_by_name(index: GraphIndex, node: Executed, row: int, found: _Found) -> None:
    itself = _only(_same_place(index, [*index.named.get(node.name, ()), *_unnamed(index, node)], node.index))
    if itself is not None and index.op_types[itself] == node.op_type:
        found.add(row, LinkKind.EXACT, itself)
        return
    if is_inserted(node.name, node.op_type):
        found.kinds[row] = LinkKind.INSERTED
        return
    origin = _only(_origins(index, node))
    if origin is not None:
        found.add(row, LinkKind.DERIVED, *origin)


def _origins(index: GraphIndex, node: Executed) -> Iterable[tuple[int, ...]]:
    for name in (node.name, *origins(node.name)):
        if name in index.named and name != node.op_type:  # a `Gelu` may have been fused of anything
            return ((row,) for row in index.named[name])
    for value in blocked_values(node.name):
        if value in index.values:
            return _makers(index, value, node.op_type)
    return _inlined(index, node.name)


def _unnamed(index: GraphIndex, node: Executed) -> Sequence[int]:
    """`Relu_3` names the unnamed node of index 3, unless a node has that very name."""
    return index.unnamed.get((node.op_type, node.index), ()) if node.name == f"{node.op_type}_{node.index}" else ()


def _inlined(index: GraphIndex, name: str) -> list[tuple[int, ...]]:
    return [
        (row,)
        for function, body in index.of_functions.items()
        if (inner := inlined_name(name, function))
        for row in body.get(inner, ())
    ]


def _makers(index: GraphIndex, value: str, op_type: str) -> list[tuple[int, ...]]:
    """The Conv or pooling that a value comes from, and what was fused behind it up to that value."""
    found = []
    for row in index.values[value]:
        held = [index.producers[row]]
        while held[0] != NONE and index.op_types[held[0]] != op_type:
            data = index.data_input(held[0])
            held.insert(0, NONE if data is None else index.producers[data])
        if held[0] != NONE:
            found.append(tuple(held))
    return found


def _same_place(index: GraphIndex, rows: Sequence[int], place: int) -> list[int]:
    return [row for row in rows if place in (NONE, index.positions[row])]


def _only(found: Iterable[_T]) -> _T | None:
    """The one that was found; None when there is none, or when several could be meant."""
    distinct = set(found)
    return distinct.pop() if len(distinct) == 1 else None


def _find_by_order(index: GraphIndex, executed: Sequence[Executed], found: _Found) -> None:
    """Fused nodes whose name says nothing: if there are as many as nodes of their core operator have vanished, and
    data flows from each of those into the next, then they are executed in that order."""
    nameless: dict[str, list[int]] = defaultdict(list)
    for row, node in enumerate(executed):
        if found.kinds[row] is LinkKind.NONE and node.op_type in _CORES:
            nameless[node.op_type].append(row)
    for op_type, rows in nameless.items():
        vanished = _vanished(index, found)
        for core in _CORES[op_type]:
            nodes = [node for node in vanished if index.op_types[node] == core]
            if len(nodes) == len(rows) and _is_chain(index, nodes):
                for row, graph_node in zip(rows, nodes, strict=True):
                    found.add(row, LinkKind.DERIVED, graph_node)
                break


def _vanished(index: GraphIndex, found: _Found) -> list[int]:
    taken = found.taken
    return [
        node
        for node, position in enumerate(index.positions)
        if position != NONE and node not in taken and node not in index.foldable
    ]


def _is_chain(index: GraphIndex, nodes: Sequence[int]) -> bool:
    same_graph = len({index.graphs[node] for node in nodes}) == 1
    return same_graph and all(index.leads_to(one, following) for one, following in pairwise(nodes))


def _find_reshapes(
    index: GraphIndex, executed: Sequence[Executed], found: _Found, groups: dict[int, tuple[int, ...]]
) -> None:
    """Reshapes of the model that ORT merged with the one it put behind a Gemm and named by the order of the Gemms.

    Where as many are executed as Gemms, the n-th is behind the n-th.
    """
    gemms = [
        row for row, node in enumerate(executed) if node.op_type == "Gemm" and found.kinds[row] is LinkKind.DERIVED
    ]
    gemms.sort(key=lambda row: executed[row].index)
    outputs = [row for row, node in enumerate(executed) if gemm_output_token(node.name) is not None]
    outputs.sort(key=lambda row: gemm_output_token(executed[row].name) or 0)
    if len(gemms) != len(outputs) or len({index.graphs[groups[row][-1]] for row in gemms}) != 1:
        return
    for gemm, output in zip(gemms, outputs, strict=True):
        reader = index.only_reader(groups[gemm][-1])
        if is_merged_gemm_output(executed[output].name) and reader is not None and index.op_types[reader] == "Reshape":
            found.kinds[output], groups[output] = LinkKind.DERIVED, (reader,)

"""Which nodes of a model were fused into an executed node, around the one that it surely holds.

A neighbour is counted in only if nothing else of the model was executed in its place, and if the fusion that made the
operator (ORT's `*_fusion.cc`, `selectors_actions/qdq_actions.cc`) takes in such a neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from ortprobe.ingest.models import fusion_patterns as patterns
from ortprobe.ingest.models.graph_index import GraphIndex
from ortprobe.timeline import NONE, LinkKind

_FOLDED_INTO_WEIGHTS = frozenset({"BatchNormalization", "Mul", "Add"})
"""ConvBNFusion, ConvMulFusion, ConvAddFusion: computed into weights and bias, so only with constants."""
_SUMS = frozenset({"Add", "Sum"})
_SCALES = frozenset({"Mul", "Div"})
_ACTIVATIONS = frozenset({"Relu", "Sigmoid", "Tanh", "LeakyRelu", "Clip", "HardSigmoid", "Elu", "ThresholdedRelu"})
_BLOCKED_ACTIVATIONS = frozenset({"Relu", "Sigmoid", "Tanh"})
"""Those that nchwc_transformer.cc fuses; others were fused before it, and then the name tells."""

_Test = Callable[[int], bool]


def absorbed_by(index: GraphIndex, op_type: str, held: Sequence[int], kind: LinkKind, taken: set[int]) -> list[int]:
    """The nodes fused into an executed `op_type` besides those it surely holds. `taken` are all that are placed."""
    anchor = held[0]

    def free(node: int) -> bool:
        return node not in taken and index.positions[node] != NONE and index.graphs[node] == index.graphs[anchor]

    if kind is LinkKind.EXACT:
        return _behind(index, anchor, free, _folded(index)) if index.op_types[anchor] == "Conv" else []
    if op_type in patterns.OF_OPERATOR:
        return [node for node in patterns.OF_OPERATOR[op_type](index, anchor) if free(node)]
    grow = _GROWTH.get(op_type, _quantized if op_type.startswith("Q") else None)
    return grow(index, held, free) if grow is not None else []


def _fused_convolution(index: GraphIndex, held: Sequence[int], free: _Test) -> list[int]:
    folded = _behind(index, held[-1], free, _folded(index))
    return folded + _sum_and_activation(index, [*held, *folded][-1], free, _ACTIVATIONS)


def _blocked_convolution(index: GraphIndex, held: Sequence[int], free: _Test) -> list[int]:
    return _sum_and_activation(index, held[-1], free, _BLOCKED_ACTIVATIONS)


def _sum_and_activation(index: GraphIndex, node: int, free: _Test, activations: frozenset[str]) -> list[int]:
    taken = _behind(index, node, free, _is(index, _SUMS), most=1)
    return taken + _behind(index, [node, *taken][-1], free, _is(index, activations), most=1)


def _gemm(index: GraphIndex, held: Sequence[int], free: _Test) -> list[int]:
    before = _before(index, held[0], free, _is(index, {"Transpose"}))
    return before + _behind(index, held[0], free, _is(index, _SUMS), most=1)


def _fused_gemm(index: GraphIndex, held: Sequence[int], free: _Test) -> list[int]:
    before = _before(index, held[0], free, _is(index, {"Transpose"}))
    return before + _sum_and_activation(index, held[0], free, _ACTIVATIONS)


def _matmul(index: GraphIndex, held: Sequence[int], free: _Test) -> list[int]:
    def scales(node: int) -> bool:
        return index.op_types[node] in _SCALES and index.data_input(node) is not None

    before = _before(index, held[0], free, lambda node: scales(node) or index.op_types[node] == "Transpose")
    return before + _behind(index, held[0], free, scales)


def _dynamic_matmul(index: GraphIndex, held: Sequence[int], free: _Test) -> list[int]:
    anchor = held[0]
    taken = _behind(index, anchor, free, _is(index, {"Cast", "Mul"}))
    bias = _behind(index, [anchor, *taken][-1], free, _folded(index), most=1)
    scales = [node for last in taken for node in _before(index, last, free, _is(index, {"Mul"})) if node not in taken]
    return _before(index, anchor, free, _is(index, {"DynamicQuantizeLinear"})) + scales + taken + bias


def _quantized(index: GraphIndex, held: Sequence[int], free: _Test) -> list[int]:
    anchor = held[0]
    behind = _behind(index, anchor, free, _is(index, _ACTIVATIONS), most=1)
    behind += _behind(index, [anchor, *behind][-1], free, _is(index, {"QuantizeLinear"}), most=1)
    return _before(index, anchor, free, _is(index, {"DequantizeLinear"})) + behind


def _behind(index: GraphIndex, node: int, free: _Test, takes: _Test, most: int = 8) -> list[int]:
    """A chain of nodes behind one, each the only reader of the one before."""
    taken: list[int] = []
    while len(taken) < most:
        reader = index.only_reader(node)
        if reader is None or not free(reader) or not takes(reader):
            break
        node = reader
        taken.append(node)
    return taken


def _before(index: GraphIndex, node: int, free: _Test, takes: _Test) -> list[int]:
    """Nodes that feed one directly."""
    makers = (index.producers[value] for value in index.inputs[node])
    return [maker for maker in makers if maker != NONE and free(maker) and takes(maker)]


def _is(index: GraphIndex, op_types: Container[str]) -> _Test:
    return lambda node: index.op_types[node] in op_types


def _folded(index: GraphIndex) -> _Test:
    return lambda node: index.op_types[node] in _FOLDED_INTO_WEIGHTS and index.data_input(node) is not None


_GROWTH: dict[str, Callable[[GraphIndex, Sequence[int], _Test], list[int]]] = {
    "Conv": _blocked_convolution,
    "FusedConv": _fused_convolution,
    "Gemm": _gemm,
    "FusedGemm": _fused_gemm,
    "FusedMatMul": _matmul,
    "DynamicQuantizeMatMul": _dynamic_matmul,
    "MatMulIntegerToFloat": _dynamic_matmul,
}
"""Executed operator → what stands around the node it was made of. A Conv that is not the model's own is blocked."""

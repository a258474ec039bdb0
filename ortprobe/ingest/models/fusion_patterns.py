"""Patterns of several nodes that ORT fuses into one operator, found around the node that each has exactly once.

After ORT's `gelu_fusion.cc`, `bias_gelu_fusion.cc`, `quick_gelu_fusion.cc`, `layer_norm_fusion.cc`,
`skip_layer_norm_fusion.cc`, `bias_skip_layer_norm_fusion.cc` and `bias_softmax_fusion.cc`.
"""

from __future__ import annotations

from collections.abc import Callable

from ortprobe.ingest.models.graph_index import GraphIndex
from ortprobe.timeline import NONE

_MOST_NODES = 64


def gelu(index: GraphIndex, core: int) -> list[int]:
    """Around the Erf of x / sqrt(2): up to the product with x and 0.5."""
    if index.op_types[core] != "Erf":
        return []
    scaled = index.maker(core, 0)
    start = index.data_input(scaled) if scaled is not None and index.op_types[scaled] in ("Div", "Mul") else None
    add = index.only_reader(core)
    product = index.only_reader(add) if add is not None and index.op_types[add] == "Add" else None
    if start is None or product is None or index.op_types[product] != "Mul":
        return []
    halved = index.only_reader(product)
    if halved is not None and index.op_types[halved] == "Mul" and index.data_input(halved) is not None:
        other = _between(index, start, product)
        if not any(index.op_types[node] == "Mul" and node not in (product, scaled) for node in other):
            product = halved
    return _between(index, start, product)


def bias_gelu(index: GraphIndex, core: int) -> list[int]:
    """A Gelu, whole or in pieces, and the Add of a bias before it."""
    pieces = gelu(index, core) or [core]
    made = {value for node in pieces for value in index.outputs[node]}
    starts = (value for node in pieces for value in index.inputs[node] if value not in made)
    makers = {index.producers[value] for value in starts if not index.is_constant(value)}
    return pieces + [node for node in makers if node != NONE and index.op_types[node] == "Add"]


def quick_gelu(index: GraphIndex, core: int) -> list[int]:
    """x * Sigmoid(alpha * x)."""
    product = index.only_reader(core) if index.op_types[core] == "Sigmoid" else None
    if product is None or index.op_types[product] != "Mul":
        return []
    scaled = index.maker(core, 0)
    if scaled is not None and index.op_types[scaled] == "Mul" and index.data_input(scaled) in index.inputs[product]:
        return [scaled, core, product]
    return [core, product]


def layer_norm(index: GraphIndex, core: int) -> list[int]:
    """Around the Sqrt of the variance, or the Mul by the scale: from the mean to the Add of a bias."""
    root = core if index.op_types[core] == "Sqrt" else _root_before(index, core)
    start = _normalized_value(index, root) if root is not None else None
    quotient = index.only_reader(root) if root is not None else None
    if start is None or quotient is None:
        return []
    last = quotient
    for op_type in ("Cast", "Mul", "Add"):
        reader = index.only_reader(last)
        if (
            reader is not None
            and index.op_types[reader] == op_type
            and (op_type == "Cast" or index.data_input(reader) is not None)
        ):
            last = reader
    return _between(index, start, last)


def skip_layer_norm(index: GraphIndex, core: int) -> list[int]:
    """A normalisation, whole or in pieces, the Add of two branches before it, and the Add of a bias to one of them."""
    pieces = [core] if index.op_types[core].endswith("Normalization") else layer_norm(index, core)
    made = {value for node in pieces for value in index.outputs[node]}
    data = [v for node in pieces for v in index.inputs[node] if v not in made and not index.is_constant(v)]
    makers = {index.producers[value] for value in data} - {NONE}
    sums = [node for node in makers if index.op_types[node] == "Add" and index.data_input(node) is None]
    branches = [index.producers[value] for node in sums for value in index.inputs[node]]
    biases = [n for n in branches if n != NONE and index.op_types[n] == "Add" and index.data_input(n) is not None]
    return pieces + sums + biases


def bias_softmax(index: GraphIndex, core: int) -> list[int]:
    """A Softmax and the Add of a mask before it."""
    mask = index.maker(core, 0)
    return [core, mask] if mask is not None and index.op_types[mask] == "Add" else [core]


OF_OPERATOR: dict[str, Callable[[GraphIndex, int], list[int]]] = {
    "Gelu": gelu,
    "FastGelu": bias_gelu,
    "BiasGelu": bias_gelu,
    "QuickGelu": quick_gelu,
    "LayerNormalization": layer_norm,
    "SimplifiedLayerNormalization": layer_norm,
    "SkipLayerNormalization": skip_layer_norm,
    "SkipSimplifiedLayerNormalization": skip_layer_norm,
    "BiasSoftmax": bias_softmax,
}
"""Executed operator → its pattern, from the node that it surely holds."""


def _root_before(index: GraphIndex, scale: int) -> int | None:
    """The Sqrt whose quotient a Mul scales."""
    for node in _makers(index, scale):
        for quotient in (node, *_makers(index, node)):
            roots = [each for each in _makers(index, quotient) if index.op_types[each] == "Sqrt"]
            if index.op_types[quotient] == "Div" and roots:
                return roots[0]
    return None


def _normalized_value(index: GraphIndex, root: int) -> int | None:
    """What a normalisation reads: before Sqrt(ReduceMean(Pow(x - ReduceMean(x))) + epsilon), or without the mean."""
    node = root
    for op_types in (("Add",), ("ReduceMean",), ("Pow", "Mul")):
        makers = [each for each in _makers(index, node) if index.op_types[each] in op_types]
        if not makers:
            return None
        node = makers[0]
    differences = [each for each in _makers(index, node) if index.op_types[each] in ("Sub", "Cast")]
    if differences and index.op_types[differences[0]] == "Cast":
        differences = [each for each in _makers(index, differences[0]) if index.op_types[each] == "Sub"]
    source = differences[0] if differences else node
    return index.inputs[source][0] if index.inputs[source] else None


def _makers(index: GraphIndex, node: int) -> list[int]:
    return [index.producers[value] for value in index.inputs[node] if index.producers[value] != NONE]


def _between(index: GraphIndex, start: int, last: int) -> list[int]:
    """The nodes that make the output of `last` of the value `start` and of constants; none if it takes more."""
    found, waiting = {last}, [last]
    while waiting:
        for value in index.inputs[waiting.pop()]:
            maker = index.producers[value]
            if value == start or index.is_constant(value) or maker in found:
                continue
            if maker == NONE or len(found) > _MOST_NODES:
                return []
            found.add(maker)
            waiting.append(maker)
    return sorted(found)

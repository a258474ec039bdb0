"""What an optimised model says about the one it was made from: ORT's fusions keep the names of the values that remain.

`SessionOptions.optimized_model_filepath` makes ORT save the model it really executes. A node of it computes what lies
between its inputs and its outputs in the model before, which holds for every fusion, whatever its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ortprobe.ingest.models.graph_index import GraphIndex
from ortprobe.ingest.models.model_links import Executed, Origin
from ortprobe.ingest.models.product_names import is_inserted, original_value
from ortprobe.timeline import NONE, LinkKind


def refine(
    original: GraphIndex, optimised: GraphIndex, executed: Sequence[Executed], origins: Sequence[Origin]
) -> list[Origin]:
    """The origins of executed nodes, known by name so far, as the values of the optimised model show them."""
    nodes = [_node_of(optimised, node) for node in executed]
    ends = [_ends(original, optimised, node) if node is not None else [] for node in nodes]
    names = (original_value(optimised.value_name(value)) for value in _remaining(optimised))
    borders = {value for name in names for value in original.values.get(name, ())}
    for origin, end in zip(origins, ends, strict=True):
        if not end:
            borders.update(value for node in origin.nodes for value in original.outputs[node])
    return [
        _refined(origin, _between(original, end, borders)) if end else origin
        for origin, end in zip(origins, ends, strict=True)
    ]


def is_optimised_from(original: GraphIndex, optimised: GraphIndex) -> bool:
    """Whether two models have the same inputs and outputs, by name; ORT keeps those."""
    return _open_ends(original) == _open_ends(optimised)


def _open_ends(index: GraphIndex) -> tuple[frozenset[str], frozenset[str]]:
    """Values of the main graph that nothing makes and that are no initialisers, and those that nobody reads."""
    model = index.model
    main = [node for node, graph in enumerate(index.graphs) if graph == 0]
    read = {value for node in main for value in index.inputs[node]}
    made = {value for node in main for value in index.outputs[node]}

    def names(values: set[int]) -> frozenset[str]:
        return frozenset(model.names[model.values.name[value]] for value in values)

    return names(read - made - set(index.initializers)), names(made - read)


def _remaining(index: GraphIndex) -> Iterator[int]:
    """The values that nodes make or read; a file may still describe others that have been optimised away."""
    return (value for value, maker in enumerate(index.producers) if maker != NONE or index.readers[value])


def _node_of(index: GraphIndex, node: Executed) -> int | None:
    rows = [row for row in index.named.get(node.name, ()) if index.op_types[row] == node.op_type]
    return rows[0] if len(rows) == 1 else None


def _ends(original: GraphIndex, optimised: GraphIndex, node: int) -> list[int]:
    """The values of the original that a node of the optimised model makes, directly or through inserted nodes."""
    found, waiting = list[int](), list(optimised.outputs[node])
    while waiting:
        value = waiting.pop()
        rows = original.values.get(original_value(optimised.value_name(value)), ())
        if len(rows) == 1:
            found.append(rows[0])
            continue
        for reader in optimised.readers[value]:
            name, op_type = optimised.node_name(reader), optimised.op_types[reader]
            if is_inserted(name, op_type):
                waiting += optimised.outputs[reader]
    return found


def _between(original: GraphIndex, ends: Sequence[int], borders: set[int]) -> tuple[int, ...]:
    """The nodes that make `ends` of values at the borders and of constants."""
    found, waiting = set[int](), list(ends)
    while waiting:
        value = waiting.pop()
        node = original.producers[value]
        if node == NONE or node in found or node in original.foldable or original.positions[node] == NONE:
            continue
        found.add(node)
        waiting += [each for each in original.inputs[node] if each not in borders]
    return tuple(sorted(found))


def _refined(origin: Origin, nodes: tuple[int, ...]) -> Origin:
    """A node that is the model's own stays itself: what lies before it may have been merged with another's like."""
    if origin.kind in (LinkKind.EXACT, LinkKind.INSERTED) or not nodes:
        return origin
    return Origin(LinkKind.DERIVED, nodes)

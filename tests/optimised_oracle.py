"""What fused nodes really compute: from the names of the tensors in the model that ONNX Runtime saves as executed."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import onnx

_CASTS = ("InsertedPrecisionFreeCast_", "InsertedCast_")


class Oracle:
    """For each node of the optimised model, which of the original's nodes it may stand for.

    They make the node's outputs and do not make its inputs. A tensor that the original does not have (ORT's casts and
    reorderings make such) stands for those next to it that it does have.
    """

    def __init__(self, original: Path, optimised: Path) -> None:
        self._graph = onnx.load(str(original)).graph
        self._makers = {name: number for number, node in enumerate(self._graph.node) for name in node.output}
        self._known = {*self._makers, *(value.name for value in self._graph.input)}
        graph = onnx.load(str(optimised)).graph
        self._nodes = {node.name: node for node in graph.node if node.name}
        self._readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self._readers[name].append(node)
        self._optimised_makers = {name: node for node in graph.node for name in node.output}

    def may_stand_for(self, name: str) -> set[int] | None:
        """Positions in the original's main graph; None for a node that the optimised model does not name there."""
        node = self._nodes.get(name)
        if node is None:
            return None
        ends = self._originals(node.output, lambda tensor: [out for n in self._readers[tensor] for out in n.output])
        makers = self._optimised_makers
        starts = self._originals(node.input, lambda name: [*makers[name].input] if name in makers else [])
        return self._ancestors(ends) - self._ancestors(starts)

    def _originals(self, tensors, following) -> set[str]:
        found, seen, waiting = set(), set(), list(tensors)
        while waiting:
            tensor = waiting.pop()
            original = tensor
            for cast in _CASTS:
                original = original.removeprefix(cast)
            if original in self._known:
                found.add(original)
            elif tensor and tensor not in seen:
                seen.add(tensor)
                waiting += following(tensor)
        return found

    def _ancestors(self, tensors: set[str]) -> set[int]:
        found, waiting = set(), list(tensors)
        while waiting:
            number = self._makers.get(waiting.pop())
            if number is not None and number not in found:
                found.add(number)
                waiting += self._graph.node[number].input
        return found

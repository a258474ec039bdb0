"""A model's graph to look things up in: nodes by name, who makes and who reads a value, what is constant."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from ortprobe.timeline import NONE, ModelGraph


class GraphIndex:
    """Look-ups in one model. Nodes and values are rows of its tables."""

    def __init__(self, model: ModelGraph) -> None:
        self.model = model
        nodes, values = model.nodes, model.values
        self.op_types = [model.names[name] for name in nodes.op_type.tolist()]
        self.positions: list[int] = nodes.position.tolist()
        self.graphs: list[int] = nodes.graph.tolist()
        self.inputs = [nodes.inputs[row].tolist() for row in range(len(nodes))]
        self.outputs = [nodes.outputs[row].tolist() for row in range(len(nodes))]
        self.producers: list[int] = values.producer.tolist()
        self.named: dict[str, list[int]] = defaultdict(list)
        self.unnamed: dict[tuple[str, int], list[int]] = defaultdict(list)
        self.of_functions: dict[str, dict[str, list[int]]] = {}
        for row in range(len(nodes)):
            name = self.node_name(row)
            path = model.graphs[self.graphs[row]]
            if "::" in path and not path.startswith("/"):
                function = path.partition("/")[0].rpartition("::")[2]
                self.of_functions.setdefault(function, defaultdict(list))[name].append(row)
            elif name:
                self.named[name].append(row)
            elif self.positions[row] != NONE:
                self.unnamed[self.op_types[row], self.positions[row]].append(row)
        self.values: dict[str, list[int]] = defaultdict(list)
        for row in range(len(values)):
            self.values[self.value_name(row)].append(row)

    def value_name(self, value: int) -> str:
        """The name of a value."""
        return self.model.names[int(self.model.values.name[value])]

    def node_name(self, node: int) -> str:
        """The name of a node as the file has it."""
        return self.model.names[int(self.model.nodes.name[node])]

    @cached_property
    def readers(self) -> list[list[int]]:
        """The nodes that read each value, in subgraphs too."""
        found: list[list[int]] = [[] for _ in self.producers]
        for node, inputs in enumerate(self.inputs):
            for value in dict.fromkeys(inputs):
                found[value].append(node)
        return found

    @cached_property
    def initializers(self) -> dict[int, int]:
        """Size in bytes of each value that is an initialiser."""
        table = self.model.initializers
        return dict(zip(table.value.tolist(), table.size_bytes.tolist(), strict=True))

    @cached_property
    def foldable(self) -> frozenset[int]:
        """Nodes that compute the same every time, from initialisers alone: ORT replaces them by their result."""
        constant, found = set(self.initializers), set[int]()
        for node, inputs in enumerate(self.inputs):
            if inputs and all(value in constant for value in inputs):
                found.add(node)
                constant.update(self.outputs[node])
        return frozenset(found)

    def is_constant(self, value: int) -> bool:
        """Whether a value is an initialiser, or computed from initialisers alone."""
        return value in self.initializers or self.producers[value] in self.foldable

    def data_input(self, node: int) -> int | None:
        """The one input that is no constant; None when there are more, or none."""
        data = [value for value in self.inputs[node] if not self.is_constant(value)]
        return data[0] if len(data) == 1 else None

    def only_reader(self, node: int) -> int | None:
        """The node that alone reads the first output of one."""
        readers = self.readers[self.outputs[node][0]] if self.outputs[node] else ()
        return readers[0] if len(readers) == 1 else None

    def maker(self, node: int, place: int) -> int | None:
        """The node that makes one of the inputs of a node."""
        producer = self.producers[self.inputs[node][place]] if place < len(self.inputs[node]) else NONE
        return None if producer == NONE else producer

    def weight_bytes(self, nodes: list[int]) -> int:
        """Size of the initialisers that these nodes read, each counted once; NONE where the file does not tell one."""
        weights, waiting = dict[int, int](), [value for node in nodes for value in self.inputs[node]]
        while waiting:
            value = waiting.pop()
            if value in self.initializers:
                weights[value] = self.initializers[value]
            elif self.producers[value] in self.foldable:
                waiting += self.inputs[self.producers[value]]
        return NONE if NONE in weights.values() else sum(weights.values())

    def leads_to(self, start: int, end: int) -> bool:
        """Whether data flows from one node into another; a shape is no data. Nodes lie in the order of the file."""
        seen, waiting = {start}, [start]
        while waiting:
            node = waiting.pop()
            for value in self.outputs[node]:
                for reader in self.readers[value]:
                    if reader == end:
                        return True
                    if reader < end and reader not in seen and self.op_types[reader] != "Shape":
                        seen.add(reader)
                        waiting.append(reader)
        return False

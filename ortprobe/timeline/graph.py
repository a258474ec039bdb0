"""Model files as columns: nodes, values, weights; and what executed nodes were in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from ortprobe.timeline.spans import NONE, Int32s, Int64s, UInt8s


@dataclass(frozen=True, slots=True, kw_only=True)
class Ragged:
    """N lists of rows in two columns: list i is `rows[starts[i]:starts[i + 1]]`."""

    starts: Int32s
    """N + 1 entries."""
    rows: Int32s

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> Ragged:
        """These lists."""
        starts = np.zeros(len(lists) + 1, np.int32)
        np.cumsum([len(each) for each in lists], out=starts[1:])
        return cls(starts=starts, rows=np.fromiter((row for each in lists for row in each), np.int32))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> Int32s:
        return self.rows[self.starts[index] : self.starts[index + 1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNodes:
    """Nodes of a model in the file's order: main graph, subgraphs behind their node, bodies of functions last."""

    graph: Int32s
    """Index in `ModelGraph.graphs`."""
    position: Int32s
    """The index ORT gives the node when it loads the graph: `Constant` nodes, which become initialisers, have none."""
    name: Int32s
    op_type: Int32s
    domain: Int32s
    """`name`, `op_type`, `domain`: indices in `ModelGraph.names`. Many models leave nodes without a name (``)."""
    inputs: Ragged
    outputs: Ragged
    """Rows in `GraphValues`. Inputs that a node leaves out, or only its subgraphs read, are not among them."""

    def __len__(self) -> int:
        return len(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphValues:
    """Tensors of a model: inputs, initialisers and what nodes make, each once for each graph that defines it."""

    name: Int32s
    dtype: Int32s
    """Index in `ModelGraph.names`, in ONNX's words (`float`, `float16`, `int64`); NONE when unstated."""
    shape: Int32s
    """Index in `ModelGraph.names` of `[1,3,N]`: sizes, symbolic names, `?` for a free one; NONE when unstated."""
    producer: Int32s
    """Row in `GraphNodes`; NONE for inputs and initialisers."""

    def __len__(self) -> int:
        return len(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Initializers:
    """Weights and other constants, those of `Constant` nodes too."""

    value: Int32s
    """Row in `GraphValues`, which has name, dtype and shape."""
    size_bytes: Int64s
    """Of the data, in the file or beside it; NONE where dtype and shape don't tell."""

    def __len__(self) -> int:
        return len(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelGraph:
    """One model file."""

    path: str
    size_bytes: int
    """Of the file itself, without external data."""
    producer: str
    graphs: tuple[str, ...]
    """Paths of the graphs: `` is the main one, `/branch.then_branch` a subgraph, `local::Twice` a function's body."""
    names: tuple[str, ...]
    nodes: GraphNodes
    values: GraphValues
    initializers: Initializers

    def node_name(self, node: int) -> str:
        """The node's name, or `Conv_12` for an unnamed one, as ORT's profile calls it."""
        name = self.names[int(self.nodes.name[node])]
        return name or f"{self.op_type(node)}_{self.nodes.position[node]}"

    def op_type(self, node: int) -> str:
        return self.names[int(self.nodes.op_type[node])]

    def value_text(self, value: int) -> str:
        """`float[1,3,N]`, as far as the model states it; empty when it states nothing."""
        columns = (self.values.dtype, self.values.shape)
        return "".join(self.names[int(column[value])] for column in columns if column[value] != NONE)


class LinkKind(IntEnum):
    """How an executed node was found in the model."""

    NONE = 0
    """Not at all, or several nodes could be meant."""
    EXACT = 1
    """The node of that name (of that position, where it has no name) with that operator."""
    DERIVED = 2
    """By the name that an optimiser of ORT gives what it makes of a node (`ortprobe.ingest.models.product_names`)."""
    INSERTED = 3
    """ORT put it in (copies between devices, casts, changes of layout): no node of the model is behind it."""


def _no_rows() -> Int32s:
    return np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLinks:
    """What each executed node was in its model. One entry for each row in `Nodes`; none at all without a model."""

    model: Int32s = field(default_factory=_no_rows)
    """Index in `Timeline.models` of the model of the node's session; NONE without one."""
    kind: UInt8s = field(default_factory=lambda: np.zeros(0, np.uint8))
    """`LinkKind`."""
    graph_nodes: Ragged = field(default_factory=lambda: Ragged(starts=np.zeros(1, np.int32), rows=_no_rows()))
    """Rows in the model's `GraphNodes`, in the model's order: the node itself and those that were fused into it."""
    weight_bytes: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    """Size of the initialisers that those nodes read; NONE where it is unknown."""
    output: Int32s = field(default_factory=_no_rows)
    """Row in the model's `GraphValues` of the first output of the last of those nodes; NONE without one."""

    def __len__(self) -> int:
        return len(self.kind)

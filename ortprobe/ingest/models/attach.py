"""Model files and the sessions made of them: which belongs to which, and what each executed node was in its model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ortprobe.bundle.manifest import Model
from ortprobe.errors import UnreadableInput, UsageError
from ortprobe.ingest.models.graph_index import GraphIndex
from ortprobe.ingest.models.model_links import Executed, Origin, link_nodes
from ortprobe.ingest.models.optimised_model import is_optimised_from, refine
from ortprobe.timeline import NONE, Int32s, LinkKind, ModelGraph, ModelLinks, Ragged, Session, Timeline

NOBODY: Mapping[int, int] = {}
_SAME_MODEL_SHARE = 0.5
"""A session is of a model when at least this share of its nodes, but for those that ORT inserted, is found in it; and
numbered as that file is, when this share of the nodes with a name of the file has the index they have there."""


@dataclass(frozen=True, slots=True)
class _Match:
    """A session's nodes in one model."""

    model: int
    origins: Sequence[Origin]
    is_numbered: bool
    """Whether ORT's indices are positions in this file; a model that ORT saved is numbered anew."""

    @property
    def rank(self) -> tuple[bool, bool, int]:
        return self.is_same_model, self.is_numbered, self._count(LinkKind.EXACT, LinkKind.DERIVED)

    @property
    def is_same_model(self) -> bool:
        own = len(self.origins) - self._count(LinkKind.INSERTED)
        return self._count(LinkKind.EXACT, LinkKind.DERIVED) >= max(own * _SAME_MODEL_SHARE, 1)

    @property
    def exact(self) -> int:
        return self._count(LinkKind.EXACT)

    def _count(self, *kinds: LinkKind) -> int:
        return sum(origin.kind in kinds for origin in self.origins)


def with_models(timeline: Timeline, models: Sequence[ModelGraph], of_session: Mapping[int, int] = NOBODY) -> Timeline:
    """The Timeline with the origin of each executed node in its session's model.

    `of_session` gives sessions the model they are known to be made of. Any session may be of each of the other models:
    it gets the one that has most of its nodes, and none if none has half of them. A model that ORT saved after
    optimising may lie beside the one it was made from, and then tells what was fused.

    Raises:
        UsageError: one of the other models is of no session.
    """
    if not models:
        return timeline
    indexes = [GraphIndex(model) for model in models]
    anybodys = [number for number in range(len(models)) if number not in of_session.values()]
    model_of = np.full(len(timeline.nodes), NONE, np.int32)
    origins = [Origin()] * len(timeline.nodes)
    used: set[int] = set()
    for session, rows in _rows_by_session(timeline).items():
        executed = [_executed(timeline, row) for row in rows]
        known = (of_session[session],) if session in of_session else ()
        match, helpers = _match(indexes, executed, (*known, *anybodys))
        if match is None:
            continue
        used |= {match.model, *helpers}
        model_of[rows] = match.model
        for row, origin in zip(rows, match.origins, strict=True):
            origins[row] = origin
    for number in anybodys:
        if number not in used:
            raise UsageError(f"{models[number].path}: {_unmatched(timeline)}")
    return replace(timeline, models=tuple(models), model_links=_links(indexes, model_of, origins))


def _unmatched(timeline: Timeline) -> str:
    if not len(timeline.nodes):
        return "there is no ORT profile with nodes here that a model could name"
    return "no session here ran it; give the file that the program loaded"


def read_models(paths: Sequence[Path | str]) -> list[ModelGraph]:
    """Model files that somebody named.

    Raises:
        UnreadableInput: one of them can't be read.
    """
    return [_read(Path(path)) for path in dict.fromkeys(map(str, paths))]


def recorded_models(stated: Sequence[Model], sessions: Sequence[Session]) -> tuple[list[ModelGraph], dict[int, int]]:
    """The model files of a bundle that still lie where the program loaded them, unchanged, and whose they are.

    A file that has gone, has changed or can't be read is left out: nothing is guessed from it.
    """
    models, numbers = list[ModelGraph](), dict[str, int]()
    for model in stated:
        if model.path and model.path not in numbers and is_unchanged(Path(model.path), model):
            with suppress(UnreadableInput):
                models.append(_read(Path(model.path)))
                numbers[model.path] = len(models) - 1
    return models, {session.index: numbers[session.model] for session in sessions if session.model in numbers}


def models_of_sessions(timeline: Timeline) -> dict[int, int]:
    """The index in `Timeline.models` of the model of each session that has one."""
    of_nodes = timeline.model_links.model
    known = np.flatnonzero(of_nodes != NONE)
    return dict(zip(timeline.nodes.session[known].tolist(), of_nodes[known].tolist(), strict=True))


def _read(path: Path) -> ModelGraph:
    """Importing onnx takes as long as reading a bundle: only what needs it imports it."""
    from ortprobe.ingest.models.onnx_model import read_onnx_model

    return read_onnx_model(path)


def is_unchanged(path: Path, model: Model) -> bool:
    """Whether a file is the one that was recorded: by its size, then by its content (1 GB takes about a second)."""
    try:
        if not model.sha256 or not path.is_file() or path.stat().st_size != model.size_bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == model.sha256
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return False


def _match(
    indexes: Sequence[GraphIndex], executed: Sequence[Executed], candidates: Sequence[int]
) -> tuple[_Match | None, set[int]]:
    """The best match of a session, and the optimised models that it was refined with."""
    matches = [_match_one(indexes[model], model, executed) for model in candidates]
    best = max(matches, key=lambda match: match.rank, default=None)
    if best is None or not best.is_same_model:
        return None, set()
    helpers: set[int] = set()
    for match in matches:
        original, other = indexes[best.model], indexes[match.model]
        if match.model != best.model and is_optimised_from(original, other):
            helpers.add(match.model)
            if match.is_same_model and not match.is_numbered:
                best = replace(best, origins=refine(original, other, executed, best.origins))
    return best, helpers


def _match_one(index: GraphIndex, model: int, executed: Sequence[Executed]) -> _Match:
    numbered = _Match(model, link_nodes(index, executed), is_numbered=True)
    by_name = _Match(model, link_nodes(index, [replace(node, index=NONE) for node in executed]), is_numbered=False)
    return numbered if numbered.exact >= by_name.exact * _SAME_MODEL_SHARE else by_name


def _rows_by_session(timeline: Timeline) -> dict[int, list[int]]:
    """The rows of `Nodes` of each session, in the order in which they were first executed."""
    rows, first = np.unique(timeline.node_spans.node, return_index=True)
    ordered = rows[np.argsort(first, kind="stable")]
    by_session: dict[int, list[int]] = {}
    for row in ordered.tolist():
        by_session.setdefault(int(timeline.nodes.session[row]), []).append(row)
    return by_session


def _executed(timeline: Timeline, row: int) -> Executed:
    nodes, names = timeline.nodes, timeline.names
    return Executed(names[nodes.name[row]], names[nodes.op_type[row]], int(nodes.node_index[row]))


def _links(indexes: Sequence[GraphIndex], model_of: Int32s, origins: Sequence[Origin]) -> ModelLinks:
    weight_bytes = np.full(len(origins), NONE, np.int64)
    output = np.full(len(origins), NONE, np.int32)
    for row, origin in enumerate(origins):
        if origin.nodes:
            index = indexes[model_of[row]]
            weight_bytes[row] = index.weight_bytes(list(origin.nodes))
            made = index.outputs[origin.nodes[-1]]
            output[row] = made[0] if made else NONE
    return ModelLinks(
        model=model_of,
        kind=np.array([origin.kind for origin in origins], np.uint8),
        graph_nodes=Ragged.of([origin.nodes for origin in origins]),
        weight_bytes=weight_bytes,
        output=output,
    )

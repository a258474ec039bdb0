"""Nodes of both sides that do the same work, though ORT may have renamed, fused or left them alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.comparison.session_matches import MatchedSession, SessionOfSide
from ortprobe.timeline import NONE, Int64s, Timeline


class NodeMatch(StrEnum):
    """How nodes of the two sides found one another."""

    NAME = "name"
    """And by their operator."""
    ORIGIN = "origin"
    """They execute the same nodes of the model; one for several, where ORT fused on one side alone."""
    POSITION = "position"
    """The same operator, or the same name, between the same nodes that were found."""
    ONLY_BEFORE = "only-before"
    ONLY_AFTER = "only-after"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedNode:
    """An executed node of one side, in all of its captures and C sessions."""

    name: str
    op_type: str
    provider: str
    rows: tuple[tuple[int, ...], ...]
    """For each capture of the side its rows in `Timeline.nodes`; one for each C session."""
    origins: frozenset[str]
    """The nodes of the model that it executes, where the model is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePair:
    """Nodes that do the same work: mostly one on each side."""

    match: NodeMatch
    before: tuple[MatchedNode, ...]
    after: tuple[MatchedNode, ...]

    @property
    def name(self) -> str:
        """What it is called after the change, or before it where it is gone."""
        return ", ".join(node.name for node in self.after or self.before)


def match_nodes(before: Sequence[Analyses], after: Sequence[Analyses], session: MatchedSession) -> tuple[NodePair, ...]:
    """Every node of both sides in exactly one pair, in the order in which before executes them."""
    old, new = (
        nodes_of_side(side, own) if own is not None else ()
        for side, own in ((before, session.before), (after, session.after))
    )
    pairs = list(_by_name(old, new))
    pairs += _by_origin(*_left(old, new, pairs))
    pairs += list(_by_position(old, new, pairs))
    gone, fresh = _left(old, new, pairs)
    pairs += [NodePair(match=NodeMatch.ONLY_BEFORE, before=(node,), after=()) for node in gone]
    pairs += [NodePair(match=NodeMatch.ONLY_AFTER, before=(), after=(node,)) for node in fresh]
    place = {id(node): row for row, node in enumerate((*old, *new))}
    return tuple(sorted(pairs, key=lambda pair: place[id((pair.before or pair.after)[0])]))


def nodes_of_side(side: Sequence[Analyses], own: SessionOfSide) -> tuple[MatchedNode, ...]:
    """The nodes of a session in the order in which they are first executed. Repeats and C sessions that replaced one
    another have the same nodes: by name and operator, the n-th of several alike."""
    found: dict[tuple[str, str, int], list[list[int]]] = {}
    first: dict[tuple[str, str, int], tuple[Timeline, int]] = {}
    for number, (analyses, sessions) in enumerate(zip(side, own.sessions, strict=True)):
        timeline = analyses.timeline
        for index in sessions:
            alike: dict[tuple[str, str], int] = {}
            for row in _in_order(timeline, index).tolist():
                named = (timeline.names[timeline.nodes.name[row]], timeline.names[timeline.nodes.op_type[row]])
                key = (*named, alike.get(named, 0))
                alike[named] = key[2] + 1
                found.setdefault(key, [[] for _ in side])[number].append(row)
                first.setdefault(key, (timeline, row))
    return tuple(_matched_node(key, *first[key], rows) for key, rows in found.items())


def _in_order(timeline: Timeline, session: int) -> Int64s:
    """Rows of the session's nodes by their first execution."""
    rows = np.flatnonzero(timeline.nodes.session == session)
    first = np.full(len(timeline.nodes), len(timeline.node_spans.node), np.int64)
    executed = timeline.node_spans.node
    first[executed[::-1]] = np.arange(len(executed))[::-1]
    return rows[np.argsort(first[rows], kind="stable")]


def _matched_node(key: tuple[str, str, int], timeline: Timeline, row: int, rows: list[list[int]]) -> MatchedNode:
    links, origins = timeline.model_links, frozenset[str]()
    if len(links) and links.model[row] != NONE:
        model = timeline.models[links.model[row]]
        origins = frozenset(
            f"{model.graphs[model.nodes.graph[each]]}/{model.node_name(each)}"
            for each in links.graph_nodes[row].tolist()
        )
    return MatchedNode(
        name=key[0],
        op_type=key[1],
        provider=timeline.names[timeline.nodes.provider[row]],
        rows=tuple(map(tuple, rows)),
        origins=origins,
    )


def _left(
    old: Sequence[MatchedNode], new: Sequence[MatchedNode], pairs: Sequence[NodePair]
) -> tuple[list[MatchedNode], list[MatchedNode]]:
    taken = {id(node) for pair in pairs for node in (*pair.before, *pair.after)}
    return [node for node in old if id(node) not in taken], [node for node in new if id(node) not in taken]


def _by_name(old: Sequence[MatchedNode], new: Sequence[MatchedNode]) -> Iterator[NodePair]:
    """The same name and operator, unless the models say that they don't execute the same nodes."""
    named: dict[tuple[str, str], list[MatchedNode]] = {}
    for node in new:
        named.setdefault((node.name, node.op_type), []).append(node)
    for node in old:
        alike = named.get((node.name, node.op_type), [])
        if alike and (not node.origins or not alike[0].origins or node.origins == alike[0].origins):
            yield NodePair(match=NodeMatch.NAME, before=(node,), after=(alike.pop(0),))


def _by_origin(old: Sequence[MatchedNode], new: Sequence[MatchedNode]) -> Iterator[NodePair]:
    """Nodes with an origin in common, directly or through others, are one pair."""
    group: dict[str, str] = {}

    def root(origin: str) -> str:
        while group.setdefault(origin, origin) != origin:
            origin = group[origin]
        return origin

    for node in (*old, *new):
        first, *others = sorted(node.origins) or [""]
        for other in others:
            group[root(other)] = root(first)
    sides: dict[str, tuple[list[MatchedNode], list[MatchedNode]]] = {}
    for side, nodes in enumerate((old, new)):
        for node in nodes:
            if node.origins:
                sides.setdefault(root(min(node.origins)), ([], []))[side].append(node)
    for before, after in sides.values():
        if before and after:
            yield NodePair(match=NodeMatch.ORIGIN, before=tuple(before), after=tuple(after))


def _by_position(
    old: Sequence[MatchedNode], new: Sequence[MatchedNode], pairs: Sequence[NodePair]
) -> Iterator[NodePair]:
    """What is left, by operator, then by name, behind the same pair: the n-th with the n-th."""
    taken: set[int] = set()
    keys: tuple[Callable[[MatchedNode], str], ...] = (lambda node: node.op_type, lambda node: node.name)
    places = [_places(nodes, pairs) for nodes in (old, new)]
    for key_of in keys:
        waiting: dict[tuple[int, str], list[MatchedNode]] = {}
        for node in new:
            if id(node) in places[1] and id(node) not in taken:
                waiting.setdefault((places[1][id(node)], key_of(node)), []).append(node)
        for node in old:
            if id(node) in places[0] and id(node) not in taken:
                alike = waiting.get((places[0][id(node)], key_of(node)))
                if alike:
                    other = alike.pop(0)
                    taken |= {id(node), id(other)}
                    yield NodePair(match=NodeMatch.POSITION, before=(node,), after=(other,))


def _places(nodes: Sequence[MatchedNode], pairs: Sequence[NodePair]) -> dict[int, int]:
    """For each node without a pair, which pair comes before it; -1 for none."""
    pair_of = {id(node): number for number, pair in enumerate(pairs) for node in (*pair.before, *pair.after)}
    found, last = {}, -1
    for node in nodes:
        if id(node) in pair_of:
            last = pair_of[id(node)]
        else:
            found[id(node)] = last
    return found

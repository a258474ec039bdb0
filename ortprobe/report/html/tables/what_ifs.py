"""The page's tables of critical paths and of what changes would give."""

from __future__ import annotations

import numpy as np

from ortprobe.analysis.path.critical_path import PATH_KINDS
from ortprobe.report.html.tables.model import Cell, Column, Table, note_of
from ortprobe.report.path_wording import PATH_LABELS, basis_text, change_text, path_text, re_inits_text
from ortprobe.report.sayable import doubt_of_paths, stated_path_shares, stated_what_ifs, stated_without_re_inits
from ortprobe.report.wording import headed
from ortprobe.rules.engine import Judgement
from ortprobe.timeline import NONE

_MAX_RUNS = 2_000


def paths_table(judgement: Judgement) -> Table:
    """One row a run that was watched, in time order: how long its critical path is in each kind."""
    analyses = judgement.analyses
    shares, runs = stated_path_shares(analyses), len(analyses.timeline.runs)
    by_run = analyses.critical_paths.by_run(runs)
    watched = np.flatnonzero(by_run.any(axis=1)).tolist() if not doubt_of_paths(analyses) else []
    shown = watched[:_MAX_RUNS]
    present = [row for row in range(len(PATH_KINDS)) if by_run[shown, row].any()]
    columns = (
        Column("Run", "int", shown),
        Column("Latency", "ns", [int(by_run[run].sum()) for run in shown]),
        *(Column(headed(PATH_LABELS[PATH_KINDS[row]]), "ns", by_run[shown, row].tolist()) for row in present),
    )
    note = doubt_of_paths(analyses) or note_of(len(watched), len(shown), "runs", "the first")
    if shares is not None:
        note += f"; {len(shares.runs)} steady ones: {path_text(shares, analyses.timeline)}"
    return Table("paths", "Critical path of each run", note, columns, [f"r{run}" for run in shown])


def what_ifs_table(judgement: Judgement) -> Table:
    """One row a change, what saves most first."""
    analyses = judgement.analyses
    what_ifs = stated_what_ifs(analyses)
    changes = what_ifs.changes if what_ifs else ()
    unchanged_ns = what_ifs.pace_ns if what_ifs else 0
    saved: list[Cell] = [unchanged_ns - change.pace_ns for change in changes]
    columns = (
        Column("Change", "text", [change_text(change, analyses.timeline) for change in changes]),
        Column("A run would take", "ns", [change.pace_ns for change in changes]),
        Column("at least", "ns", [change.low_ns for change in changes]),
        Column("at most", "ns", [change.high_ns for change in changes]),
        Column("Saves", "ns", saved),
    )
    spans = {node.node: node.first_span for node in analyses.nodes.nodes}
    keys = [f"s{spans.get(change.node, NONE)}" for change in changes]
    why_not = doubt_of_paths(analyses) or "no loop of steady runs was watched that could be replayed"
    notes = [basis_text(what_ifs) if what_ifs else why_not]
    notes += [re_inits_text(each) for each in stated_without_re_inits(analyses)]
    return Table("what-ifs", "What if", "; ".join(notes), columns, keys)

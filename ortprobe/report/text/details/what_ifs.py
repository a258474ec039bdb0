"""What made runs take their time, and what changes would give, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ortprobe.analysis.analyses import Analyses
from ortprobe.analysis.path.what_if import WhatIfs
from ortprobe.names import printable
from ortprobe.report.path_wording import basis_text, change_text, path_text, re_inits_text, saving_text
from ortprobe.report.sayable import doubt_of_paths, stated_path_shares, stated_what_ifs, stated_without_re_inits
from ortprobe.report.text.layout import table_of
from ortprobe.units import format_ns

TOP_CHANGES = 5


def path_section(analyses: Analyses) -> RenderableType | None:
    """None without a run whose path was followed."""
    if analyses.path_shares is None:
        return None
    shares = stated_path_shares(analyses)
    if shares is None:
        return Text(doubt_of_paths(analyses))
    lines = [f"of {len(shares.runs)} steady runs: {path_text(shares, analyses.timeline)}"]
    return Text("\n".join(printable(line) for line in lines))


def what_ifs_section(analyses: Analyses) -> RenderableType | None:
    """None without a loop that could be replayed and without a session that was built again."""
    what_ifs = stated_what_ifs(analyses)
    parts: list[RenderableType] = [Text(re_inits_text(each)) for each in stated_without_re_inits(analyses)]
    if what_ifs is not None:
        parts += [_changes(what_ifs, analyses), Text(basis_text(what_ifs))]
    return Group(*parts) if parts else None


def _changes(what_ifs: WhatIfs, analyses: Analyses) -> Table:
    table = table_of("change", "a run would take", "at least", "at most", "saves", right_from=1)
    for change in what_ifs.changes[:TOP_CHANGES]:
        name = Text(printable(change_text(change, analyses.timeline)))
        bounds = (format_ns(ns) for ns in (change.pace_ns, change.low_ns, change.high_ns))
        table.add_row(name, *bounds, saving_text(change, what_ifs))
    return table

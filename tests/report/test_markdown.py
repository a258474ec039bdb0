from __future__ import annotations

import captures
from scene import Scene

from ortprobe.analysis.analyses import Analyses
from ortprobe.report.markdown import escaped, render_markdown
from ortprobe.rules import judge
from ortprobe.timeline import Timeline


def markdown_of(timeline: Timeline) -> str:
    return render_markdown(judge(Analyses(timeline)))


def test_the_report_on_resnet():
    text = markdown_of(captures.resnet())
    assert "## S1 warning: The session was built again once, which cost 234 ms" in text
    assert "* cost: 234 ms, 23.4 ms a run (likely)" in text
    assert "## GPU 0: busy 25.4 ms of 738 ms" in text
    assert "2,340 of 2,340 kernels of ORT have their node: 2,340 seen inside it." in text


def test_a_fix_shows_what_comes_in_and_what_goes():
    text = markdown_of(captures.example("missing-wait").timeline)
    block = next(part for part in text.split("```") if "Wait for the writing stream" in part).splitlines()
    at = block.index("    + torch.cuda.current_stream().synchronize()")
    assert block[at + 1] == "      session.run_with_iobinding(binding)"


def test_every_row_of_a_table_has_the_columns_of_its_head(tmp_path):
    scene = Scene()
    scene.profile().run(10, 50).node("a|b\n| c", 20, 20)
    rows = [line for line in markdown_of(scene.load(tmp_path)).splitlines() if line.startswith("| 0")]
    nodes = [row for row in rows if "a\\|b" in row]
    assert len(nodes) == 1
    assert nodes[0].replace("\\|", "").count("|") == 7


def test_a_name_moves_no_cursor_and_starts_no_line(tmp_path):
    scene = Scene()
    scene.profile().run(10, 50).node("\x1b[31m\n# head \u202e", 20, 20)
    text = markdown_of(scene.load(tmp_path))
    assert not {"\x1b", "\u202e"} & set(text)
    assert "\n# head" not in text


def test_a_name_mentions_nobody_and_links_nowhere():
    assert escaped("@team <img src=x> [a](http://x) `b`") == r"\@team \<img src=x\> \[a\]\(http://x\) \`b\`"

"""What sessions and re-initialisations cost, part by part."""

from __future__ import annotations

from plotly import graph_objects as go

from ortprobe.analysis.sessions.creations import Phase
from ortprobe.analysis.sessions.session_lives import SessionLife, SessionLives
from ortprobe.report.charts.chart import Chart
from ortprobe.report.charts.figures import NS_PER_MS, styled
from ortprobe.units import format_ns


def sessions_chart(sessions: SessionLives) -> Chart:
    """Creation and first runs of each session, in stacked parts."""
    lives = sessions.lives
    title = "What each session cost before it ran steadily"
    if not lives:
        return Chart("sessions", title, "No session was created in this capture.", None)
    parts = (
        ("load", [life.phase_ns(Phase.LOAD) for life in lives], 3),
        ("initialise", [life.phase_ns(Phase.INITIALIZE) for life in lives], 0),
        ("setting up providers", [life.phase_ns(Phase.PROVIDERS) for life in lives], 5),
        ("rest of creation", [_rest_ns(life) for life in lives], 4),
        ("first runs above steady ones", [life.first_runs.excess_ns for life in lives], 1),
    )
    labels = [f"session {life.session.index}" + (" ↻" if life.session.replaces is not None else "") for life in lives]
    if not any(value for _, values, _ in parts for value in values):
        return Chart("sessions", title, "Neither creation nor first runs were measured.", None)
    figure = go.Figure()
    for name, values, color in parts:
        figure.add_bar(
            x=[(value or 0) / NS_PER_MS for value in values],
            y=labels,
            orientation="h",
            name=name,
            text=[format_ns(value) if value else "" for value in values],
            hovertext=[f"{name}: {format_ns(value)}" for value in values],
            hovertemplate="%{y}, %{hovertext}<extra></extra>",
            customdata=[f"c{life.session.index}" for life in lives],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            meta={"color": color},
        )
    figure.update_layout(barmode="stack", uniformtext={"mode": "hide", "minsize": 11})
    figure.update_xaxes(title="ms")
    figure.update_yaxes(autorange="reversed")
    summary = "One session, never built again."
    if len(lives) > 1:
        summary = f"{sessions.created} sessions, {sessions.re_inits} of them re-initialisations (↻)."
    return Chart("sessions", title, summary, styled(figure, 136 + 34 * min(len(lives), 30), legend=True))


def _rest_ns(life: SessionLife) -> int | None:
    """Before loading and after initialising; the whole creation where its phases are not known."""
    if life.creation is None or life.creation.phases is None:
        return life.creation_ns
    return sum(life.phase_ns(phase) or 0 for phase in (Phase.BEFORE, Phase.AFTER))

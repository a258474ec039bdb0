"""Figures over aggregates, built with plotly and drawn by the page, one module for each family of charts."""

from ortprobe.report.charts.all_charts import TRACE_TYPES, build_charts
from ortprobe.report.charts.chart import Chart

__all__ = ["TRACE_TYPES", "Chart", "build_charts"]

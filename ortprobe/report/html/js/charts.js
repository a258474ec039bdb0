// Figures that Python built. plotly comes deflated and is started after the timeline is on the screen.

const CHART_COLORS = {
  light: ["#0b6aa8", "#b04a00", "#007a5c", "#a03b78", "#7a6a00", "#57606a"],
  dark: ["#56b4e9", "#e8793a", "#22b183", "#cc79a7", "#d5c740", "#9aa4af"],
};

class Charts {
  constructor(figures, timeline) {
    this.figures = figures;
    this.timeline = timeline;
    this.drawn = [];
  }

  async draw() {
    const wanted = this.figures.filter(figure => figure.plotly);
    if (!wanted.length) return;
    const script = element("script");
    script.text = await inflateText("plotly");
    document.head.append(script);
    for (const figure of wanted) {
      const box = byId(`chart-${figure.key}`);
      const layout = { ...figure.plotly.layout, ...this.themed(figure.plotly.layout) };
      await Plotly.newPlot(box, this.colored(figure.plotly.data), layout, { displayModeBar: false, responsive: true });
      box.on("plotly_click", ({ points }) => { if (points[0].customdata) this.timeline.reveal([points[0].customdata].flat()[0]); });
      this.drawn.push([box, figure]);
    }
  }

  retheme() {
    for (const [box, figure] of this.drawn) Plotly.react(box, this.colored(figure.plotly.data), { ...figure.plotly.layout, ...this.themed(figure.plotly.layout) });
  }

  colored(data) {
    const colors = CHART_COLORS[currentTheme()];
    return data.map(trace => ({ ...trace, marker: { ...trace.marker, color: colors[trace.meta ? trace.meta.color : 0], line: { width: 0 } } }));
  }

  themed(layout) {
    const ink = INK[currentTheme()];
    const axis = own => ({ ...own, gridcolor: ink.line, zerolinecolor: ink.line, linecolor: ink.line, color: ink.soft });
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 12, color: ink.text },
      hoverlabel: { bgcolor: ink.page, bordercolor: ink.soft, font: { color: ink.text } },
      xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
    };
  }
}

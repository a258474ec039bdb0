// Figures that Python built. plotly comes deflated and is started after the timeline is on the screen.

const CHART_COLORS = {
  light: ["#0b6aa8", "#b04a00", "#007a5c", "#a03b78", "#7a6a00", "#57606a"],
  dark: ["#56b4e9", "#e8793a", "#22b183", "#cc79a7", "#d5c740", "#9aa4af"],
};

const NARROW_PIXELS = 480, NARROW_LABEL = 22, NARROW_LEGEND_LINE = 20;

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
      await Plotly.newPlot(box, this.colored(figure.plotly.data), this.laidOut(figure, box), { displayModeBar: false, responsive: true });
      box.on("plotly_click", ({ points }) => { if (points[0].customdata) this.timeline.reveal([points[0].customdata].flat()[0]); });
      this.drawn.push([box, figure]);
    }
  }

  retheme() {
    for (const [box, figure] of this.drawn) Plotly.react(box, this.colored(figure.plotly.data), this.laidOut(figure, box));
  }

  laidOut(figure, box) {
    const layout = { ...figure.plotly.layout, ...this.themed(figure.plotly.layout) };
    return box.clientWidth < NARROW_PIXELS ? narrowed(layout, figure.plotly.data) : layout;
  }

  colored(data) {
    const colors = CHART_COLORS[currentTheme()];
    return data.map(trace => {
      const color = colors[trace.meta ? trace.meta.color : 0], drawn = { ...trace, marker: { ...trace.marker, color, line: { width: 0 } } };
      return trace.line ? { ...drawn, line: { ...trace.line, color }, fillcolor: `${color}33` } : drawn;
    });
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

// Names of nodes are paths, which differ at their end.
function narrowLabel(label) {
  if (label.length <= NARROW_LABEL) return label;
  return label.includes("/") ? `…${label.slice(1 - NARROW_LABEL)}` : `${label.slice(0, NARROW_LABEL - 1)}…`;
}

// On a phone: room for the figures beside the bars, short labels, and a legend of a line for each entry.
function narrowed(layout, data) {
  const labels = data[0].orientation === "h" ? layout.yaxis.categoryarray || data[0].y : null;
  const yaxis = labels && {
    ...layout.yaxis, tickvals: labels, ticktext: labels.map(narrowLabel),
  };
  const entries = layout.showlegend ? data.filter(trace => trace.showlegend !== false).length : 0;
  const height = layout.height + NARROW_LEGEND_LINE * Math.max(0, entries - 2);
  return { ...layout, height, margin: { ...layout.margin, r: 48 }, yaxis: yaxis || layout.yaxis };
}

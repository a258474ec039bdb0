// What is known about the selected mark, as text; and the sums of a measured stretch.

class Details {
  constructor(timeline, panel, live, tables) {
    this.timeline = timeline;
    this.panel = panel;
    this.live = live;
    this.tables = tables;
    timeline.onChange(what => {
      if (what === "selection") this.showSelection();
      if (what === "area") this.showArea();
    });
    this.showSelection();
  }

  showSelection() {
    const { timeline, panel } = this, mark = timeline.selected;
    if (mark < 0) {
      panel.replaceChildren(element("p", { class: "hint" },
        "Nothing selected. Click a mark, drag to measure, Ctrl + wheel or W and S to zoom, ? for all keys."));
      this.live.textContent = "";
      return;
    }
    const facts = this.facts(mark);
    panel.replaceChildren(
      element("h3", {}, timeline.store.label(mark)),
      element("dl", {}, ...facts.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)])),
      this.relationButtons(mark),
    );
    this.live.textContent = `Selected ${timeline.store.label(mark)}, ${timeline.store.laneOf(mark).label}, `
      + `${formatNs(timeline.store.duration[mark])}`;
  }

  facts(mark) {
    const { store } = this.timeline, { model } = store;
    const [lane, layer] = model.rows[store.rowOf(mark)], label = store.label(mark), node = store.node[mark];
    const facts = [], side = store.sideOf(mark);
    const add = (term, value) => { if (value !== "" && value !== undefined) facts.push([term, String(value)]); };
    if (store.title(mark) !== label) add("Name", store.title(mark));
    add("Kind", PALETTE[store.categoryName(mark)].label);
    add("Lane", `${model.lanes[lane].label} · ${layer}`);
    add("Capture", side.label);
    add("Start", `${formatMoment(store.start[mark] - side.start)} after the first event`);
    add("Duration", formatNs(store.duration[mark]));
    if (node >= 0) {
      add("ONNX node", store.names[model.nodes.name[node]]);
      add("Op type", `${store.names[model.nodes.op_type[node]]} on ${store.names[model.nodes.provider[node]] || "unknown provider"}`);
    }
    const run = store.run[mark];
    if (run >= 0) add("Run", store.ownNumber(mark, "r", run));
    const session = node >= 0 ? model.nodes.session[node] : run >= 0 ? model.runs_session[run] : -1;
    if (session >= 0) add("Session", store.ownNumber(mark, "c", session));
    const isSpan = store.keys[store.category[mark]] === "s", site = isSpan ? model.sites[store.ref[mark]] : undefined;
    if (site !== undefined) add("Line of code", store.names[site]);
    if (store.correlation[mark] >= 0) add("Correlation", store.correlation[mark]);
    if (store.source[mark] >= 0) add("Source", `${model.sources[store.source[mark]]}, row ${store.sourceRow[mark]}`);
    return facts.concat(this.tableFacts(mark, new Set(facts.map(([term]) => term))));
  }

  // Runs, sessions, waits and gaps have a table row of their own.
  tableFacts(mark, known) {
    const row = this.tables.rowOf(this.timeline.store.keyOf(mark).replace(/^l/, "c"));
    return row ? row.filter(([term, value]) => value && value !== "–" && !known.has(term)) : [];
  }

  relationButtons(mark) {
    const { timeline } = this, { store } = timeline;
    const list = element("ul", { class: "relations" });
    for (const { from, to, label } of timeline.relations.of(mark)) {
      const other = from === mark ? to : from;
      const go = () => { timeline.select(other); timeline.bringIntoView(other); };
      list.append(element("li", {}, element("span", {}, `${label} `),
        element("button", { type: "button", class: "link", onclick: go }, store.label(other)),
        element("span", {}, ` ${formatNs(store.duration[other])}`)));
    }
    return list;
  }

  showArea() {
    const { area, store, layout, counters } = this.timeline, box = this.timeline.parts.area;
    box.hidden = !area;
    if (!area) return;
    const span = area.to - area.from, rows = [];
    layout.lanes.forEach((lane, index) => {
      const seen = new Set();
      for (const row of lane.rows) {
        const layer = store.model.rows[row][1];
        if (seen.has(layer)) continue;
        seen.add(layer);
        const busy = store.busyIn(row, area.from, area.to);
        if (busy > 0) rows.push([`${store.model.lanes[index].label} · ${layer}`, formatNs(busy), `${((100 * busy) / span).toFixed(1)} %`]);
      }
      const { counter, label } = store.model.lanes[index];
      if (!counter || layout.folded.has(index)) return;
      const steps = counters.of(store.model.lanes[index]), mean = steps.mean(area.from, area.to);
      const [least, greatest] = steps.extremes(area.from, area.to);
      const [low, high, middle] = [least, greatest, mean].map(value => counters.text(counter, value));
      rows.push([label, `mean ${middle}`, `${low} to ${high}`]);
    });
    box.replaceChildren(
      element("h3", {}, `Measured: ${formatNs(span)}`),
      element("table", {}, element("tbody", {}, ...rows.map(cells =>
        element("tr", {}, ...cells.map((cell, column) => element(column ? "td" : "th", { class: column ? "number" : "" }, cell)))))),
    );
  }
}

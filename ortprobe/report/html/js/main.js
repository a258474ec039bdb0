// Puts the page together: data, timeline, panels, tables, then charts.

function readJson(id) {
  return JSON.parse(byId(id).textContent);
}

async function loadTimeline(model) {
  const [marks, waits, pieces, races, arena, names] = await Promise.all([
    decodeColumns("data-marks", model.marks), decodeColumns("data-waits", model.waits),
    decodeColumns("data-pieces", model.pieces), decodeColumns("data-races", model.races),
    decodeColumns("data-arena", model.arena), inflateText("data-names"),
  ]);
  const store = new Store(model, marks, JSON.parse(names), waits);
  store.spanNs = Math.max(1, model.span_ns);
  const relations = new Relations(store, waits, pieces, races);
  return new Timeline(store, relations, new Counters(store, relations, arena), {
    section: byId("timeline"), canvas: byId("tl-canvas"), axis: byId("tl-axis"), minimap: byId("tl-minimap"),
    gutter: byId("tl-gutter"), search: byId("tl-search"), hits: byId("tl-hits"), area: byId("tl-area"), base: byId("tl-base"),
    live: byId("live"),
  });
}

function bindPage(timeline, charts, help) {
  const retheme = () => { timeline.retheme(); charts.retheme(); drawLegend(timeline); };
  byId("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = currentTheme() === "dark" ? "light" : "dark";
    retheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", retheme);
  byId("help-open").addEventListener("click", () => help.showModal());
  byId("help-close").addEventListener("click", () => help.close());
  byId("tl-whole").addEventListener("click", () => timeline.whole());
  byId("tl-in").addEventListener("click", () => timeline.zoom(ZOOM_STEP));
  if (byId("tl-group")) byId("tl-group").addEventListener("click", event => {
    timeline.group();
    event.currentTarget.setAttribute("aria-pressed", String(timeline.layout.grouped));
  });
  byId("tl-out").addEventListener("click", () => timeline.zoom(1 / ZOOM_STEP));
  new ResizeObserver(() => timeline.resize()).observe(timeline.parts.canvas.parentElement);
  addEventListener("hashchange", () => timeline.restore());
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(each => { each.open = true; }));
  if (!HAS_ADDRESS) document.addEventListener("click", goWithinPage);
  document.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.show) timeline.reveal(button.dataset.show);
    if (button.dataset.copy) copyText(byId(button.dataset.copy).textContent, button);
  });
}

function goWithinPage(event) {
  const link = event.target.closest('a[href^="#"]');
  if (!link) return;
  event.preventDefault();
  byId(link.getAttribute("href").slice(1)).scrollIntoView();
}

function drawLegend(timeline) {
  const present = new Set(timeline.store.category), box = byId("tl-legend");
  const items = [...present].sort((a, b) => a - b).map(category => {
    const swatch = element("canvas", { class: "swatch", width: 28, height: 20, "aria-hidden": "true" });
    swatch.dataset.category = category;
    return element("li", {}, swatch, PALETTE[timeline.store.model.categories[category]].label);
  });
  box.replaceChildren(...items);
  for (const swatch of box.querySelectorAll("canvas")) {
    const pen = swatch.getContext("2d"), category = Number(swatch.dataset.category);
    for (const fill of [timeline.palette.fill[category], timeline.palette.hatch[category]]) {
      if (!fill) continue;
      pen.fillStyle = fill;
      pen.fillRect(0, 0, 28, 20);
    }
  }
}

async function main() {
  const timeline = await loadTimeline(readJson("data-model"));
  const folded = new FoldedRuns(timeline, {
    box: byId("tl-folded"), button: byId("tl-fold"), canvas: byId("tl-folded-canvas"), note: byId("tl-folded-note"),
  });
  bindPointer(timeline, byId("tip"));
  bindWheel(timeline);
  bindKeys(timeline, byId("help"));
  bindSearch(timeline);
  timeline.restore();
  await nextFrame();
  const tables = new Tables(JSON.parse(await inflateText("data-tables")), timeline);
  const charts = new Charts(readJson("data-figures"), timeline);
  const help = byId("help");
  new Details(timeline, byId("tl-details"), byId("live"), tables);
  bindPage(timeline, charts, help);
  tables.build(byId("tables-body"));
  drawLegend(timeline);
  window.ortprobe = surface(timeline, charts, folded);
  await charts.draw();
  window.ortprobe.chartsReady = true;
}

// For tests and the console: reads state, and changes nothing but the selection.
function surface(timeline, charts, folded) {
  return {
    version: 1,
    chartsReady: false,
    count: timeline.store.length,
    view: () => ({ ...timeline.view }),
    selection: () => (timeline.selected < 0 ? null : timeline.store.keyOf(timeline.selected)),
    hits: () => timeline.search.hits.length,
    rect: key => timeline.rect(timeline.store.markOf(key)),
    rows: () => timeline.store.model.rows.flatMap(([lane, layer], row) => {
      const { model, offsets } = timeline.store, isEmpty = offsets[row] === offsets[row + 1];
      return isEmpty ? [] : [{ lane: model.lanes[lane].label, layer, key: timeline.store.keyOf(offsets[row]) }];
    }),
    colors: () => ({
      background: timeline.palette.ink.band,
      fill: Object.fromEntries(timeline.store.model.categories.map((name, category) => [name, timeline.palette.fill[category]])),
    }),
    keys: category => timeline.store.marksOf(category).map(mark => timeline.store.keyOf(mark)),
    mark: key => {
      const mark = timeline.store.markOf(key);
      return mark < 0 ? null : { start: timeline.store.start[mark], duration: timeline.store.duration[mark], label: timeline.store.label(mark) };
    },
    relations: key => timeline.relations.of(timeline.store.markOf(key)).map(each => each.label),
    launchOf: key => {
      const call = timeline.relations.callOf(timeline.store.markOf(key));
      return call < 0 ? null : timeline.store.keyOf(call);
    },
    busy: (key, from, to) => timeline.store.busyIn(timeline.store.rowOf(timeline.store.markOf(key)), from, to),
    counter: (name, from, to, side = 0) => {
      const lane = timeline.store.model.lanes.find(each => each.counter === name && each.side === side);
      const steps = timeline.counters.of(lane), [least, greatest] = steps.extremes(from, to);
      return { least, greatest, mean: steps.mean(from, to), steps: steps.times.length };
    },
    lanes: () => timeline.layout.order().map(lane => ({ key: timeline.store.model.lanes[lane].key, ...timeline.layout.lanes[lane] })),
    folded: () => (folded.marks || []).map(mark => ({ key: timeline.store.keyOf(mark), odd: folded.isOdd(mark), top: folded.marks.indexOf(mark) * folded.pitch })),
    select: key => timeline.reveal(key),
    stats: () => ({ drawMs: timeline.drawMs, marksDrawn: timeline.painter.marksDrawn, charts: charts.drawn.length }),
  };
}

main();

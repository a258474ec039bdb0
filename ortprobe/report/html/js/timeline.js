// The timeline's state: what is shown, selected, measured and searched. Everything that changes it ends in redraw().

const AXIS_HEIGHT = 36, LEAST_SPAN_NS = 50;

class Timeline {
  constructor(store, relations, counters, parts) {
    this.store = store;
    this.relations = relations;
    this.counters = counters;
    this.parts = parts;
    this.layout = new Layout(store.model);
    this.search = new Search(store);
    this.reInits = store.marksOf("RE_INIT");
    this.selected = -1;
    this.area = null;
    this.listeners = [];
    this.painter = new Painter(this);
    this.minimap = new Minimap(this, parts.minimap);
    this.gutter = new Gutter(this, parts.gutter);
    this.show(...store.model.first_view);
    this.retheme();
    this.resize();
  }

  onChange(listener) { this.listeners.push(listener); }
  changed(what) { for (const listener of this.listeners) listener(what); }

  retheme() {
    this.palette = new Palette(this.store.model.categories, currentTheme());
    this.minimap.forget();
    this.redraw();
  }

  resize() {
    const width = Math.max(120, this.parts.canvas.parentElement.clientWidth);
    if (width === this.width) return;
    this.width = width;
    this.minimap.forget();
    this.gutter.draw();
    this.redraw();
  }

  redraw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => { this.pending = false; this.draw(); });
  }

  draw() {
    const began = performance.now();
    this.painter.axis(this.painter.fit(this.parts.axis, this.width, AXIS_HEIGHT), AXIS_HEIGHT);
    this.painter.body(this.painter.fit(this.parts.canvas, this.width, this.layout.total));
    this.minimap.draw();
    if (!this.drawMs) performance.mark("timeline drawn");
    this.drawMs = performance.now() - began;
  }

  x(time) { return ((time - this.view.from) / (this.view.to - this.view.from)) * this.width; }
  time(x) { return this.view.from + (x / this.width) * (this.view.to - this.view.from); }

  show(from, to) {
    const whole = this.store.spanNs, span = Math.min(whole, Math.max(LEAST_SPAN_NS, to - from));
    const left = Math.min(Math.max(0, from), whole - span);
    this.view = { from: left, to: left + span };
    this.redraw();
  }

  zoom(factor, around = (this.view.from + this.view.to) / 2) {
    this.show(around - (around - this.view.from) * factor, around + (this.view.to - around) * factor);
  }

  pan(share) {
    const step = (this.view.to - this.view.from) * share;
    this.show(this.view.from + step, this.view.to + step);
  }

  whole() { this.show(0, this.store.spanNs); this.remember(); }

  fit(mark = this.selected) {
    if (mark < 0) return;
    // A race is seen where both accesses are.
    const race = this.relations.racesOf(mark)[0], both = race ? [race.from, race.to] : [mark];
    const from = Math.min(...both.map(each => this.store.start[each])), to = Math.max(...both.map(each => this.store.end(each)));
    const margin = Math.max(race ? (to - from) / 4 : to - from, 200);
    this.show(from - margin, to + margin);
    this.remember();
  }

  select(mark) {
    this.selected = mark;
    if (mark >= 0) this.unfoldFor(mark);
    this.redraw();
    this.changed("selection");
    this.remember();
  }

  // From a finding, a table or a chart: select, zoom to it, and bring the timeline onto the screen.
  reveal(key) {
    const mark = this.store.markOf(key);
    if (mark < 0) return false;
    this.select(mark);
    this.fit(mark);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.parts.section.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
    this.parts.canvas.focus({ preventScroll: true });
    return true;
  }

  unfoldFor(mark) {
    const lane = this.store.model.rows[this.store.rowOf(mark)][0];
    if (this.layout.folded.has(lane)) this.fold(lane);
  }

  fold(lane) {
    this.layout.toggle(lane);
    this.gutter.draw();
    this.redraw();
  }

  group() {
    this.layout.group();
    this.gutter.draw();
    this.redraw();
  }

  pin(lane) {
    this.layout.pin(lane);
    this.gutter.draw();
    this.redraw();
    this.remember();
  }

  pinSelected() {
    if (this.selected >= 0) this.pin(this.store.model.rows[this.store.rowOf(this.selected)][0]);
  }

  // The lane with a counter under a height of the canvas; undefined where there is none.
  counterAt(y) {
    const lane = this.layout.laneAt(y);
    const shown = lane < 0 || this.layout.folded.has(lane) ? undefined : this.store.model.lanes[lane];
    return shown && shown.counter ? shown : undefined;
  }

  step(by) {
    if (this.selected < 0) return;
    const row = this.store.rowOf(this.selected), next = this.selected + by;
    if (next < this.store.offsets[row] || next >= this.store.offsets[row + 1]) return;
    this.select(next);
    this.bringIntoView(next);
  }

  bringIntoView(mark) {
    const { from, to } = this.view, span = to - from;
    if (this.store.start[mark] >= from && this.store.end(mark) <= to) return;
    const middle = this.store.start[mark] + Math.min(this.store.duration[mark], span) / 2;
    this.show(middle - span / 2, middle + span / 2);
  }

  measure(from, to) {
    this.area = from === null ? null : { from: Math.min(from, to), to: Math.max(from, to) };
    this.redraw();
    this.changed("area");
  }

  find(text) {
    this.search.run(text);
    this.redraw();
    this.changed("search");
  }

  nextHit(by) {
    const mark = this.search.next(this.selected, by);
    if (mark < 0) return;
    this.select(mark);
    const short = this.store.duration[mark] < (this.view.to - this.view.from) / 400;
    if (short) this.fit(mark); else this.bringIntoView(mark);
  }

  clear() {
    this.area = null;
    this.changed("area");
    this.select(-1);
  }

  rect(mark) {
    if (mark < 0) return null;
    const row = this.store.rowOf(mark), left = this.x(this.store.start[mark]), right = this.x(this.store.end(mark));
    return { left, right: Math.max(right, left + 2), top: this.layout.top[row], height: this.layout.height[row] - 2 };
  }

  at(x, y) {
    const row = this.layout.rowAt(y);
    return row < 0 ? -1 : this.store.pick(row, this.time(x), (3 * (this.view.to - this.view.from)) / this.width);
  }

  // Re-initialisations, and where captures are laid over each other, as flags on the axis.
  flags() {
    const { store, palette } = this, [aligned] = store.model.aligned.map(key => store.markOf(key));
    const flags = this.reInits.map(mark => {
      const { label } = store.sideOf(mark);
      return { mark, label: label ? `↻ re-init, ${label}` : "↻ re-init", color: palette.ink.flag };
    });
    if (aligned >= 0) flags.push({ mark: aligned, label: "≡ laid over", color: palette.ink.focus });
    return flags.map(flag => ({ ...flag, x: this.x(store.start[flag.mark]) })).filter(({ x }) => x >= 0 && x <= this.width);
  }

  remember() {
    if (!HAS_ADDRESS) return;
    const selection = this.selected < 0 ? "" : `&s=${this.store.keyOf(this.selected)}`;
    const pinned = [...this.layout.pinned].map(lane => this.store.model.lanes[lane].key);
    const pins = pinned.length ? `&p=${pinned.join(",")}` : "";
    const hash = `#v=1&t=${Math.round(this.view.from)},${Math.round(this.view.to)}${selection}${pins}`;
    history.replaceState(null, "", hash);
  }

  restore() {
    const state = new URLSearchParams(location.hash.slice(1));
    if (state.get("v") !== "1") return;
    const [from, to] = (state.get("t") || "").split(",").map(Number);
    const mark = this.store.markOf(state.get("s") || ""), pins = (state.get("p") || "").split(",");
    this.store.model.lanes.forEach(({ key }, lane) => {
      if (pins.includes(key) !== this.layout.pinned.has(lane)) this.layout.pin(lane);
    });
    this.gutter.draw();
    this.redraw();
    if (mark >= 0) this.select(mark);
    if (to > from) this.show(from, to);
  }
}

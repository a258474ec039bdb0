// Runs laid over each other: one line each, from its begin, with its work on the GPU. The odd one stands out.

const FOLDED_PIXELS = 360, MOST_FOLDED = 400, ODD_RATIO = 1.5, FOLDED_GUTTER = 76, NAMED_PITCH = 11;

class FoldedRuns {
  constructor(timeline, parts) {
    this.timeline = timeline;
    this.parts = parts;
    this.marks = null;
    this.current = -1;
    parts.button.addEventListener("click", () => this.toggle());
    this.bind();
    timeline.onChange(what => { if (what === "selection" && !parts.box.hidden) this.draw(); });
  }

  toggle() {
    const { box, button } = this.parts;
    box.hidden = !box.hidden;
    button.setAttribute("aria-expanded", String(!box.hidden));
    if (!box.hidden) this.draw();
  }

  // Of each capture the runs whose work was seen, the latest of them when there are many; all where none was.
  collect() {
    const { store } = this.timeline, work = new Map();
    for (let mark = 0; mark < store.length; mark++) {
      if (store.run[mark] < 0 || !DEVICE_CATEGORIES.includes(store.categoryName(mark))) continue;
      if (!work.has(store.run[mark])) work.set(store.run[mark], []);
      work.get(store.run[mark]).push(mark);
    }
    this.work = work;
    const runs = ["RUN", "FIRST_RUN"].flatMap(category => store.marksOf(category)).sort((a, b) => store.start[a] - store.start[b]);
    const { sides } = store.model, most = Math.floor(MOST_FOLDED / sides.length);
    this.stacks = sides.map(side => this.stack(side, runs.filter(mark => store.sideOf(mark) === side), most));
    this.marks = this.stacks.flatMap(stack => stack.marks);
    this.longest = 1.15 * Math.max(1, ...this.stacks.map(stack => Math.max(stack.usual, stack.median * ODD_RATIO)));
    this.parts.note.textContent = this.marks.length
      ? `${this.stacks.map(stack => this.stackWords(stack)).join("; ")}. Click one to see it in the timeline.`
      : "No run was captured.";
  }

  stack(side, runs, most) {
    const { store } = this.timeline, watched = runs.filter(mark => this.work.has(store.ref[mark]));
    const marks = (watched.length ? watched : runs).slice(-most);
    const lengths = marks.map(mark => store.duration[mark]).sort((a, b) => a - b);
    const usual = lengths[Math.floor(0.95 * (lengths.length - 1))] || 0;
    return { side, marks, usual, median: lengths[lengths.length >> 1] || 0, left: runs.length - marks.length };
  }

  stackWords({ side, marks, median, left }) {
    const odd = marks.filter(mark => this.isOdd(mark)).length, whose = side.label ? `${side.label}: ` : "";
    return `${whose}${formatCount(marks.length)} runs from their begin on, median ${formatNs(median)}; ${formatCount(odd)} `
      + `took more than ${ODD_RATIO} times that${left ? `; ${formatCount(left)} more are not shown` : ""}`;
  }

  isOdd(mark) {
    const { store } = this.timeline, side = store.sideOf(mark);
    return store.duration[mark] > ODD_RATIO * this.stacks.find(stack => stack.side === side).median;
  }

  draw() {
    if (!this.marks) this.collect();
    const { timeline, parts } = this, { palette, painter } = timeline;
    const width = Math.max(120, parts.canvas.parentElement.clientWidth);
    this.pitch = Math.max(2, Math.min(16, Math.floor(FOLDED_PIXELS / Math.max(1, this.marks.length))));
    this.width = width;
    const height = this.pitch * this.marks.length + 22, pen = painter.fit(parts.canvas, width, height);
    pen.fillStyle = palette.ink.page;
    pen.fillRect(0, 0, width, height);
    this.marks.forEach((mark, at) => this.line(pen, mark, at * this.pitch));
    let top = 0;
    for (const stack of this.stacks) {
      this.scale(pen, stack, top, height);
      top += stack.marks.length * this.pitch;
    }
  }

  x(time) { return FOLDED_GUTTER + (time / this.longest) * (this.width - FOLDED_GUTTER); }

  line(pen, mark, top) {
    const { store, palette, selected } = this.timeline, from = store.start[mark], height = this.pitch > 4 ? this.pitch - 2 : this.pitch - 0.5;
    const category = store.category[mark], right = Math.min(this.width, this.x(store.duration[mark]));
    pen.globalAlpha = 0.25;
    pen.fillStyle = palette.fill[category];
    pen.fillRect(this.x(0), top, right - this.x(0), height);
    pen.globalAlpha = 1;
    for (const each of this.work.get(store.ref[mark]) || []) {
      const left = this.x(store.start[each] - from);
      if (left > this.width) continue;
      pen.fillStyle = palette.fill[store.category[each]];
      pen.fillRect(left, top, Math.max(0.6, Math.min(this.width, this.x(store.end(each) - from)) - left), height);
    }
    if (this.isOdd(mark)) {
      pen.fillStyle = palette.ink.flag;
      pen.fillRect(FOLDED_GUTTER - 7, top, 4, height);
    }
    if (this.pitch >= NAMED_PITCH) {
      pen.fillStyle = palette.ink.soft;
      const { label } = store.sideOf(mark), number = store.ownNumber(mark, "r", store.ref[mark]);
      pen.fillText(label ? `${label} ${number}` : `run ${number}`, 2, top + height / 2, FOLDED_GUTTER - 12);
    }
    if (mark === selected || mark === this.marks[this.current]) {
      pen.strokeStyle = mark === selected ? palette.ink.text : palette.ink.focus;
      pen.lineWidth = 1.5;
      pen.strokeRect(FOLDED_GUTTER - 1, top - 1, this.width - FOLDED_GUTTER, height + 2);
    }
  }

  // A line at the median of one capture's runs, through them.
  scale(pen, { side, marks, median }, top, height) {
    const { palette } = this.timeline, x = this.x(median), bottom = side.label ? top + marks.length * this.pitch : height - 2;
    pen.fillStyle = palette.ink.soft;
    pen.fillText("0", FOLDED_GUTTER, height - 8);
    if (side.label) {
      if (this.pitch < NAMED_PITCH) pen.fillText(side.label, 2, top + 8, FOLDED_GUTTER - 12);
      pen.fillRect(0, bottom - 1, this.width, 1);
    } else pen.fillText(`median ${formatNs(median)}`, Math.min(x + 4, this.width - 110), height - 8);
    pen.setLineDash([3, 3]);
    pen.strokeStyle = palette.ink.soft;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x, top);
    pen.lineTo(x, bottom);
    pen.stroke();
    pen.setLineDash([]);
  }

  at(y) { return Math.min(this.marks.length - 1, Math.max(0, Math.floor(y / this.pitch))); }

  reveal(at) {
    if (at >= 0 && at < this.marks.length) this.timeline.reveal(this.timeline.store.keyOf(this.marks[at]));
  }

  bind() {
    const { canvas } = this.parts;
    canvas.addEventListener("click", event => this.reveal(this.at(event.offsetY)));
    canvas.addEventListener("pointermove", event => { this.current = this.at(event.offsetY); canvas.title = this.words(); });
    canvas.addEventListener("keydown", event => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.code];
      if (by) this.current = Math.min(this.marks.length - 1, Math.max(0, this.current + by));
      else if (event.code === "Enter") this.reveal(this.current);
      else return;
      event.preventDefault();
      event.stopPropagation();
      this.timeline.parts.live.textContent = this.words();
      this.draw();
    });
    addEventListener("resize", () => { if (!this.parts.box.hidden) this.draw(); });
  }

  words() {
    const mark = this.marks[this.current];
    if (mark === undefined) return "";
    const { store } = this.timeline, seen = this.work.get(store.ref[mark]);
    return `${store.label(mark)}: ${formatNs(store.duration[mark])}${seen ? `, ${formatCount(seen.length)} pieces of work on the GPU` : ""}`;
  }
}

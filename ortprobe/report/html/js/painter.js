// Draws rows, axis, arrows and selection on canvas. A pixel full of small marks is shaded by how busy it really is.

const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
const CHAR_WIDTH = 6.1, LABEL_ROOM = 26;
// Where little is busy a line of a pixel keeps the pale marks in sight: it adds at most two parts in a hundred of ink.
const PALE = 0.3, LINE_ALPHA = 0.25;
const ALWAYS_VISIBLE = new Set(["RE_INIT", "CREATION", "HOST_WAIT", "STREAM_WAIT", "RECORD"]);

class Painter {
  constructor(timeline) {
    this.timeline = timeline;
    this.marksDrawn = 0;
    this.ink = new Ink();
  }

  fit(canvas, width, height) {
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d", { alpha: false });
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = FONT;
    pen.textBaseline = "middle";
    return pen;
  }

  body(pen) {
    const { layout, palette, width, store } = this.timeline;
    this.marksDrawn = 0;
    pen.fillStyle = palette.ink.page;
    pen.fillRect(0, 0, width, layout.total);
    pen.fillStyle = palette.ink.band;
    for (const lane of layout.lanes) pen.fillRect(0, lane.top - 3, width, lane.height + 5);
    this.gridLines(pen, layout.total);
    this.flagLines(pen, layout.total);
    for (let row = 0; row < store.model.rows.length; row++) this.row(pen, row);
    layout.lanes.forEach((lane, index) => {
      if (store.model.lanes[index].counter && !layout.folded.has(index)) this.counter(pen, lane, store.model.lanes[index]);
    });
    this.arrows(pen);
    this.selection(pen);
    this.area(pen, layout.total);
  }

  row(pen, row) {
    const { store, view, width, layout, search } = this.timeline, ratio = devicePixelRatio || 1;
    const top = layout.top[row], height = layout.height[row] - (layout.height[row] > 8 ? 2 : 1);
    const ink = this.ink.cleared(Math.ceil(width * ratio)), labels = [], perPixel = (view.to - view.from) / (width * ratio);
    store.visible(row, view.from, view.to, width, (start, end, mark, first, count, busy) => {
      const category = store.category[mark], stands = ALWAYS_VISIBLE.has(store.model.categories[category]);
      const left = this.timeline.x(start) * ratio, least = stands && count === 1 ? 3 * ratio : 0;
      const right = Math.max(this.timeline.x(end) * ratio, left + least), hit = !search.active || search.hitsIn(first, first + count) > 0;
      const inked = least ? right - left : count === 1 ? (end - start) / perPixel : busy / perPixel;
      ink.add(left, right, stands ? Math.max(inked, (right - left) / 2) : inked, hit ? category : DIMMED, count === 1);
      if (count === 1 && (right - left) / ratio > LABEL_ROOM && height > 8) {
        labels.push(mark, Math.max(0, left / ratio), Math.min(width + 2, right / ratio), hit);
      }
      this.marksDrawn++;
    });
    this.inked(pen, ink, top, height, ratio);
    for (let i = 0; i < labels.length; i += 4) {
      const [mark, left, right, hit] = labels.slice(i, i + 4);
      this.label(pen, mark, left, right, top, height, hit);
    }
  }

  inked(pen, ink, top, height, ratio) {
    const { palette } = this.timeline;
    for (const [category, shade, boxes] of ink.boxes()) {
      const alpha = shade / SHADES;
      pen.fillStyle = category === DIMMED ? palette.ink.dim : palette.fill[category];
      pen.globalAlpha = alpha;
      for (let i = 0; i < boxes.length; i += 2) pen.fillRect(boxes[i] / ratio, top, boxes[i + 1] / ratio, height);
      if (alpha >= PALE) continue;
      pen.globalAlpha = LINE_ALPHA;
      for (let i = 0; i < boxes.length; i += 2) pen.fillRect(boxes[i] / ratio, top + height - 1, boxes[i + 1] / ratio, 1);
    }
    pen.globalAlpha = 1;
    for (const [category, from, to] of height >= 8 ? ink.wide : []) {
      if (category === DIMMED || !palette.hatch[category]) continue;
      pen.fillStyle = palette.hatch[category];
      pen.fillRect(from / ratio, top, (to - from) / ratio, height);
    }
    // Neighbours are told apart by an edge and not by a gap, which would look idle.
    pen.fillStyle = palette.ink.text;
    pen.globalAlpha = 0.5;
    for (const [, , to] of ink.wide) pen.fillRect(to / ratio - 0.7, top, 0.7, height);
    pen.globalAlpha = 1;
  }

  // Full up to the mean of a pixel's time, pale up to the greatest value in it.
  counter(pen, lane, shown) {
    const { view, width, palette, counters } = this.timeline, { counter } = shown;
    if (!counters.isKnown(shown, () => this.timeline.redraw())) return;
    const steps = counters.of(shown);
    const nsPerPixel = (view.to - view.from) / width, scale = (lane.height - 15) / Math.max(1, steps.greatest), base = lane.top + lane.height;
    pen.fillStyle = palette.ink.count;
    for (let x = 0; x < width; x++) {
      const from = view.from + x * nsPerPixel, [, greatest] = steps.extremes(from, from + nsPerPixel);
      if (!greatest) continue;
      const mean = steps.mean(from, from + nsPerPixel);
      pen.globalAlpha = 0.9;
      pen.fillRect(x, base - mean * scale, 1, mean * scale);
      pen.globalAlpha = 0.3;
      pen.fillRect(x, base - greatest * scale, 1, (greatest - mean) * scale);
    }
    pen.globalAlpha = 1;
    pen.fillStyle = palette.ink.soft;
    pen.fillText(`up to ${counters.text(counter, steps.greatest)}`, 4, lane.top + 6);
  }

  label(pen, mark, left, right, top, height, hit) {
    const { store, palette } = this.timeline, category = store.category[mark];
    const text = plainText(store.label(mark), right - left - 8, CHAR_WIDTH);
    if (hit && text && palette.hatch[category]) {
      pen.fillStyle = palette.fill[category];
      pen.fillRect(left, top, Math.min(right - left - 1, pen.measureText(text).width + 9), height);
    }
    pen.fillStyle = hit ? palette.labelInk[category] : palette.ink.soft;
    pen.fillText(text, left + 4, top + height / 2 + 0.5, right - left - 6);
  }

  ticks() {
    const { view, width } = this.timeline;
    const wanted = (view.to - view.from) / Math.max(2, width / 110), power = 10 ** Math.floor(Math.log10(wanted));
    const step = [1, 2, 5, 10].map(factor => factor * power).find(each => each >= wanted);
    const at = [];
    for (let tick = Math.ceil(view.from / step) * step; tick <= view.to; tick += step) at.push(tick);
    return { step, at };
  }

  gridLines(pen, height) {
    pen.fillStyle = this.timeline.palette.ink.line;
    for (const tick of this.ticks().at) pen.fillRect(Math.round(this.timeline.x(tick)), 0, 1, height);
  }

  axis(pen, height) {
    const { palette, width, view } = this.timeline, { step, at } = this.ticks();
    const base = axisBase(view);
    this.timeline.parts.base.textContent = base ? `after ${formatMoment(base)}` : "after the first event";
    pen.fillStyle = palette.ink.page;
    pen.fillRect(0, 0, width, height);
    for (const tick of at) {
      const x = Math.round(this.timeline.x(tick)), text = (base ? "+" : "") + formatTick(tick - base, step);
      pen.fillStyle = palette.ink.line;
      pen.fillRect(x, height - 6, 1, 6);
      pen.fillStyle = palette.ink.soft;
      if (x + 4 + pen.measureText(text).width < width) pen.fillText(text, x + 4, height - 8);
    }
    for (const flag of this.timeline.flags()) this.flag(pen, flag);
  }

  flag(pen, { x, label, color }) {
    const wide = pen.measureText(label).width + 10;
    const left = Math.min(x, this.timeline.width - wide);
    pen.fillStyle = color;
    pen.fillRect(left, 1, wide, 15);
    pen.fillRect(x, 1, 2, 19);
    pen.fillStyle = luminance(color) > EVEN_CONTRAST ? "#111418" : "#ffffff";
    pen.fillText(label, left + 5, 9);
  }

  flagLines(pen, height) {
    pen.lineWidth = 1.5;
    pen.setLineDash([5, 4]);
    for (const { x, color } of this.timeline.flags()) {
      pen.strokeStyle = color;
      pen.beginPath();
      pen.moveTo(x + 0.5, 0);
      pen.lineTo(x + 0.5, height);
      pen.stroke();
    }
    pen.setLineDash([]);
  }

  arrows(pen) {
    const { palette, relations, selected, width } = this.timeline;
    for (const { from, to, isRace } of relations.of(selected)) {
      // The order that is missing is drawn as what is not there.
      pen.strokeStyle = pen.fillStyle = isRace ? palette.ink.flag : palette.ink.focus;
      pen.lineWidth = isRace ? 2.5 : 1.5;
      pen.setLineDash(isRace ? [6, 5] : []);
      const a = this.timeline.rect(from), b = this.timeline.rect(to);
      if (!a || !b) continue;
      const forward = b.left >= a.right - 1;
      // What lies outside of the view is pointed to from the edge, at the height of its own row.
      const inView = x => Math.min(width, Math.max(0, x));
      const x0 = inView(forward ? a.right : a.left), y0 = a.top + a.height / 2, y1 = b.top + b.height / 2, x1 = inView(b.left);
      const bend = Math.min(90, Math.max(18, Math.abs(x1 - x0) / 2));
      pen.beginPath();
      pen.moveTo(x0, y0);
      pen.bezierCurveTo(x0 + (forward ? bend : -bend), y0, x1 - bend, y1, x1 - 5, y1);
      pen.stroke();
      pen.setLineDash([]);
      pen.beginPath();
      pen.moveTo(x1, y1);
      pen.lineTo(x1 - 7, y1 - 4);
      pen.lineTo(x1 - 7, y1 + 4);
      pen.fill();
    }
  }

  selection(pen) {
    const box = this.timeline.rect(this.timeline.selected);
    if (!box) return;
    const { ink } = this.timeline.palette;
    pen.lineWidth = 4;
    pen.strokeStyle = ink.page;
    pen.strokeRect(box.left - 2, box.top - 2, box.right - box.left + 4, box.height + 4);
    pen.lineWidth = 2;
    pen.strokeStyle = ink.text;
    pen.strokeRect(box.left - 2, box.top - 2, box.right - box.left + 4, box.height + 4);
  }

  area(pen, height) {
    const { area, palette, width } = this.timeline;
    if (!area) return;
    const left = Math.max(-2, this.timeline.x(area.from)), right = Math.min(width + 2, this.timeline.x(area.to));
    pen.globalAlpha = 0.13;
    pen.fillStyle = palette.ink.focus;
    pen.fillRect(left, 0, right - left, height);
    pen.globalAlpha = 1;
    pen.fillRect(left, 0, 1, height);
    pen.fillRect(right - 1, 0, 1, height);
  }
}

// Far into a capture, and close up, only the last digits of a time differ: they count from a round moment before.
function axisBase(view) {
  const span = view.to - view.from;
  if (view.from < 100 * span) return 0;
  const round = 10 ** Math.ceil(Math.log10(span));
  return Math.floor(view.from / round) * round;
}

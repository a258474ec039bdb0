// The whole capture in a strip: how busy each lane was, and a window on what the timeline shows.

const MINIMAP_HEIGHT = 44, BIN_PIXELS = 2;

class Minimap {
  constructor(timeline, canvas) {
    this.timeline = timeline;
    this.canvas = canvas;
    this.heat = null;
    this.bind();
  }

  forget() { this.heat = null; }

  draw() {
    const { timeline } = this, { width, palette } = timeline;
    const pen = timeline.painter.fit(this.canvas, width, MINIMAP_HEIGHT);
    if (!this.heat) this.heat = this.paintHeat();
    pen.drawImage(this.heat, 0, 0, width, MINIMAP_HEIGHT);
    const left = Math.min(this.x(timeline.view.from), width - 4), right = Math.max(left + 4, this.x(timeline.view.to));
    pen.globalAlpha = 0.62;
    pen.fillStyle = palette.ink.page;
    pen.fillRect(0, 0, left, MINIMAP_HEIGHT);
    pen.fillRect(right, 0, width - right, MINIMAP_HEIGHT);
    pen.globalAlpha = 1;
    pen.strokeStyle = palette.ink.focus;
    pen.lineWidth = 2;
    pen.strokeRect(left + 1, 1, Math.max(1, right - left - 2), MINIMAP_HEIGHT - 2);
  }

  paintHeat() {
    const { store, palette, width } = this.timeline, ratio = devicePixelRatio || 1;
    const canvas = element("canvas", { width: Math.round(width * ratio), height: Math.round(MINIMAP_HEIGHT * ratio) });
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.fillStyle = palette.ink.band;
    pen.fillRect(0, 0, width, MINIMAP_HEIGHT);
    const rows = store.model.rows.flatMap(([, , , heat], row) => (heat ? [row] : []));
    const height = (MINIMAP_HEIGHT - 6) / Math.max(1, rows.length), bin = (store.spanNs / width) * BIN_PIXELS;
    rows.forEach((row, index) => {
      pen.fillStyle = palette.fill[store.category[store.offsets[row]]];
      for (let x = 0; x * BIN_PIXELS < width; x++) {
        const busy = store.busyIn(row, x * bin, (x + 1) * bin) / bin;
        if (!busy) continue;
        pen.globalAlpha = 0.18 + 0.82 * Math.min(1, busy);
        pen.fillRect(x * BIN_PIXELS, 3 + index * height, BIN_PIXELS, Math.max(1, height - 1));
      }
    });
    pen.globalAlpha = 1;
    pen.fillStyle = palette.ink.flag;
    for (const mark of this.timeline.reInits) pen.fillRect(Math.round(this.x(store.start[mark])), 0, 2, MINIMAP_HEIGHT);
    return canvas;
  }

  x(time) { return (time / this.timeline.store.spanNs) * this.timeline.width; }

  bind() {
    let grip = null;
    const move = event => {
      const { timeline } = this, time = (event.offsetX / timeline.width) * timeline.store.spanNs;
      const span = timeline.view.to - timeline.view.from;
      timeline.show(time - grip, time - grip + span);
    };
    this.canvas.addEventListener("pointerdown", event => {
      const { timeline } = this, { from, to } = timeline.view;
      const time = (event.offsetX / timeline.width) * timeline.store.spanNs;
      grip = time >= from && time <= to ? time - from : (to - from) / 2;
      this.canvas.setPointerCapture(event.pointerId);
      move(event);
    });
    this.canvas.addEventListener("pointermove", event => { if (grip !== null) move(event); });
    this.canvas.addEventListener("pointerup", () => { grip = null; this.timeline.remember(); });
  }
}

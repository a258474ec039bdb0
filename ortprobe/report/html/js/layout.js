// Where rows lie: pinned lanes first, the layers of a lane apart by a hair, folded lanes a few pixels a row.

const COUNTER_HEIGHT = 46, ROW_HEIGHT = 18, FOLDED_HEIGHT = 4, LANE_GAP = 9, LAYER_GAP = 3, LEAST_LANE = 32;

class Layout {
  constructor(model) {
    this.model = model;
    this.folded = new Set(model.lanes.flatMap((lane, index) => (lane.folded ? [index] : [])));
    this.pinned = new Set();
    this.grouped = false;
    this.place();
  }

  // Lanes of several captures stand in pairs, or each capture by itself.
  order() {
    const lanes = this.model.lanes.map((_, index) => index), { grouped } = this;
    if (grouped) lanes.sort((a, b) => this.model.lanes[a].side - this.model.lanes[b].side || a - b);
    return [...lanes.filter(index => this.pinned.has(index)), ...lanes.filter(index => !this.pinned.has(index))];
  }

  place() {
    const { rows, lanes } = this.model;
    this.top = new Float64Array(rows.length);
    this.height = new Float64Array(rows.length);
    this.lanes = lanes.map(() => ({ top: 0, height: 0, rows: [] }));
    rows.forEach(([lane], row) => this.lanes[lane].rows.push(row));
    let y = 4;
    for (const index of this.order()) {
      const lane = this.lanes[index], folded = this.folded.has(index);
      const least = folded ? 18 : this.model.lanes[index].counter ? COUNTER_HEIGHT : LEAST_LANE;
      lane.top = y;
      y = Math.max(this.placeRows(lane.rows, y, folded), y + least);
      lane.height = y - lane.top;
      y += LANE_GAP;
    }
    this.total = y;
  }

  placeRows(rows, y, folded) {
    let layer = null;
    for (const row of rows) {
      const name = this.model.rows[row][1];
      if (layer !== null && name !== layer && !folded) y += LAYER_GAP;
      layer = name;
      this.top[row] = y;
      this.height[row] = folded ? FOLDED_HEIGHT : ROW_HEIGHT;
      y += this.height[row];
    }
    return y;
  }

  rowAt(y) {
    for (let row = 0; row < this.top.length; row++) {
      if (y >= this.top[row] && y < this.top[row] + this.height[row]) return row;
    }
    return -1;
  }

  laneAt(y) { return this.lanes.findIndex(lane => y >= lane.top && y < lane.top + lane.height); }

  pin(lane) {
    if (!this.pinned.delete(lane)) this.pinned.add(lane);
    this.place();
  }

  group() {
    this.grouped = !this.grouped;
    this.place();
  }

  toggle(lane) {
    if (!this.folded.delete(lane)) this.folded.add(lane);
    this.place();
  }
}

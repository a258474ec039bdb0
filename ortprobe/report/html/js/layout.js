// Where rows lie: lanes below one another, the layers of a lane apart by a hair, folded lanes a few pixels a row.

const ROW_HEIGHT = 18, FOLDED_HEIGHT = 4, LANE_GAP = 9, LAYER_GAP = 3, LEAST_LANE = 32;

class Layout {
  constructor(model) {
    this.model = model;
    this.folded = new Set(model.lanes.flatMap((lane, index) => (lane.folded ? [index] : [])));
    this.place();
  }

  place() {
    const { rows, lanes } = this.model;
    this.top = new Float64Array(rows.length);
    this.height = new Float64Array(rows.length);
    this.lanes = lanes.map(() => ({ top: 0, height: 0, rows: [] }));
    rows.forEach(([lane], row) => this.lanes[lane].rows.push(row));
    let y = 4;
    this.lanes.forEach((lane, index) => {
      lane.top = y;
      y = Math.max(this.placeRows(lane.rows, y, this.folded.has(index)), y + (this.folded.has(index) ? 18 : LEAST_LANE));
      lane.height = y - lane.top;
      y += LANE_GAP;
    });
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

  toggle(lane) {
    if (!this.folded.delete(lane)) this.folded.add(lane);
    this.place();
  }
}

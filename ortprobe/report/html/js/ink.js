// How much of each pixel of a row is in use, summed up exactly before anything is painted. Painting marks one by one would
// lose ink where two of them share a pixel: half of it over the other half is three quarters, and not the whole.

const SHADES = 32, WIDE = 4;
const DIMMED = -1;

class Ink {
  cleared(columns) {
    if (!this.amount || this.amount.length !== columns + 1) {
      this.amount = new Float32Array(columns + 1);
      this.most = new Float32Array(columns + 1);
      this.key = new Int16Array(columns + 1);
    } else {
      this.amount.fill(0);
      this.most.fill(0);
    }
    this.columns = columns;
    this.wide = [];
    this.whole = [];
    return this;
  }

  // `inked` pixels' worth of colour `key`, spread evenly over [left, right), in pixels of the screen.
  // What takes no time is there all the same, and drawn as the palest of all.
  add(left, right, inkedOrNone, key, alone) {
    const inked = inkedOrNone || 1e-6;
    const from = Math.max(0, left), to = Math.min(this.columns, right);
    if (to < from) return;
    const first = Math.floor(from);
    if (right - left < 1e-9) { this.touch(first, inked, key); return; }
    const share = Math.min(1, inked / (right - left)), past = Math.floor(to);
    if (alone && to - from > WIDE) this.wide.push([key, left, right]);
    if (first === past) { this.touch(first, (to - from) * share, key); return; }
    if (share === 1 && past > first + 1) {
      this.touch(first, first + 1 - from, key);
      this.whole.push(key, first + 1, past - first - 1);
    } else {
      this.touch(first, (first + 1 - from) * share, key);
      for (let x = first + 1; x < past; x++) this.touch(x, share, key);
    }
    this.touch(past, (to - past) * share, key);
  }

  touch(x, amount, key) {
    this.amount[x] += amount;
    if (amount > this.most[x]) { this.most[x] = amount; this.key[x] = key; }
  }

  // [[colour, shade, [left, width, …]], …]: a pixel has the colour that it has most of.
  boxes() {
    const batches = new Map();
    const put = (key, shade, x, width) => {
      const batch = (key - DIMMED) * (SHADES + 1) + shade, boxes = batches.get(batch);
      if (!boxes) batches.set(batch, [x, width]);
      else if (boxes[boxes.length - 2] + boxes[boxes.length - 1] === x) boxes[boxes.length - 1] += width;
      else boxes.push(x, width);
    };
    for (let i = 0; i < this.whole.length; i += 3) put(this.whole[i], SHADES, this.whole[i + 1], this.whole[i + 2]);
    for (let x = 0; x < this.columns; x++) {
      if (this.most[x]) put(this.key[x], Math.min(SHADES, Math.round(this.amount[x] * SHADES)), x, 1);
    }
    return Array.from(batches, ([batch, boxes]) => [Math.floor(batch / (SHADES + 1)) + DIMMED, batch % (SHADES + 1), boxes]);
  }
}

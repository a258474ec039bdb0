// Marks in columns, sorted by row and start, never overlapping inside a row; answers what a width of pixels needs.

const FAN_OUT = 16;

class Store {
  constructor(model, columns, names, waits) {
    this.model = model;
    this.names = names;
    this.length = model.marks.length;
    this.columns = columns;
    this.start = columns.start;
    this.duration = columns.duration;
    this.category = Uint8Array.from(columns.category);
    this.offsets = model.row_offsets;
    this.busyBefore = prefixSums(this.duration);
    this.pyramid = longestPyramid(this.duration);
    this.keys = model.refs;
    this.markByRef = null;
    this.waitOfSpan = new Map(Array.from(waits.span, (span, wait) => [span, wait]));
    this.byCorrelation = null;
  }

  get name() { return this.columns.name; }
  get ref() { return this.columns.ref; }
  get node() { return this.columns.node; }
  get run() { return this.columns.run; }
  get correlation() { return this.columns.correlation; }
  get source() { return this.columns.source; }
  get sourceRow() { return this.columns.row; }

  indexRefs() {
    const size = {}, index = {}, { ref } = this;
    for (let mark = 0; mark < this.length; mark++) {
      const kind = this.keys[this.category[mark]];
      size[kind] = Math.max(size[kind] || 0, ref[mark] + 1);
    }
    for (const kind of Object.keys(size)) index[kind] = new Int32Array(size[kind]).fill(-1);
    for (let mark = 0; mark < this.length; mark++) index[this.keys[this.category[mark]]][ref[mark]] = mark;
    return index;
  }

  // All marks with the correlation id of one: the CUDA call and the work it launched. Each trace counts anew.
  correlated(mark) {
    const id = this.correlation[mark], source = this.source[mark];
    if (id < 0) return [];
    if (!this.byCorrelation) {
      const order = [];
      for (let each = 0; each < this.length; each++) if (this.correlation[each] >= 0) order.push(each);
      this.byCorrelation = Int32Array.from(order).sort((a, b) => this.correlation[a] - this.correlation[b] || a - b);
    }
    const { byCorrelation } = this;
    let low = 0, high = byCorrelation.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.correlation[byCorrelation[middle]] < id) low = middle + 1; else high = middle;
    }
    const found = [];
    for (; low < byCorrelation.length && this.correlation[byCorrelation[low]] === id; low++) {
      if (this.source[byCorrelation[low]] === source) found.push(byCorrelation[low]);
    }
    return found;
  }

  // A key names a mark in the address bar and in the tables: `s12` is span 12, `r3` run 3, `w0` the first wait.
  keyOf(mark) { return this.keys[this.category[mark]] + this.ref[mark]; }
  markOf(key) {
    this.markByRef ||= this.indexRefs();
    const kind = key.charAt(0), index = this.markByRef[kind], ref = Number(key.slice(1));
    const mark = index && ref >= 0 && ref < index.length ? index[ref] : -1;
    // A synchronisation record is drawn as the wait that it shows.
    return mark < 0 && kind === "s" && this.waitOfSpan.has(ref) ? this.markOf(`w${this.waitOfSpan.get(ref)}`) : mark;
  }
  markOfSpan(span) { return span < 0 ? -1 : this.markOf(`s${span}`); }
  end(mark) { return this.start[mark] + this.duration[mark]; }
  categoryName(mark) { return this.model.categories[this.category[mark]]; }

  marksOf(category) {
    const code = this.model.categories.indexOf(category), found = [];
    this.category.forEach((each, mark) => { if (each === code) found.push(mark); });
    return found;
  }

  rowOf(mark) {
    let low = 0, high = this.offsets.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.offsets[middle] <= mark) low = middle; else high = middle;
    }
    return low;
  }

  laneOf(mark) { return this.model.lanes[this.model.rows[this.rowOf(mark)][0]]; }
  sideOf(mark) { return this.model.sides[this.laneOf(mark).side]; }

  // What a capture itself calls its run, session …: on a page of several, the second one's follow the first one's.
  ownNumber(mark, kind, number) { return number - this.sideOf(mark).first[kind]; }

  title(mark) { return this.names[this.name[mark]]; }

  nodeName(mark) {
    const node = this.node[mark];
    return node < 0 ? "" : this.names[this.model.nodes.name[node]];
  }

  // Device work is labelled by the ONNX node that launched it: a kernel's own name says little.
  label(mark) {
    const category = this.categoryName(mark);
    const device = category === "KERNEL" || category === "COPY" || category === "FILL";
    return (device && this.nodeName(mark)) || this.title(mark);
  }

  firstAtOrAfter(time, low, high) {
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.start[middle] < time) low = middle + 1; else high = middle;
    }
    return low;
  }

  // Calls emit(start, end, mark, first, count, busyNs) for every mark at least a pixel wide, and once for each pixel full of
  // smaller ones, with the longest of them: the number of calls is bound by the width, whatever the row holds.
  visible(row, from, to, width, emit) {
    const last = this.offsets[row + 1], nsPerPixel = (to - from) / width;
    let mark = this.firstAtOrAfter(from, this.offsets[row], last);
    if (mark > this.offsets[row] && this.end(mark - 1) > from) mark--;
    while (mark < last && this.start[mark] < to) {
      if (this.duration[mark] >= nsPerPixel) {
        emit(this.start[mark], this.end(mark), mark, mark, 1, this.duration[mark]);
        mark++;
        continue;
      }
      const pixel = Math.floor((this.start[mark] - from) / nsPerPixel) + 1;
      let next = this.firstAtOrAfter(from + pixel * nsPerPixel, mark + 1, last);
      if (next - mark > 1 && this.duration[next - 1] >= nsPerPixel) next--;
      emit(this.start[mark], this.end(next - 1), this.longest(mark, next), mark, next - mark,
        this.busyBefore[next] - this.busyBefore[mark]);
      mark = next;
    }
  }

  longest(from, to) {
    const { duration, pyramid } = this;
    let best = from;
    const consider = mark => { if (duration[mark] > duration[best]) best = mark; };
    while (from < to && from % FAN_OUT) consider(from++);
    while (from < to && to % FAN_OUT) consider(--to);
    from /= FAN_OUT; to /= FAN_OUT;
    for (let level = 0; from < to; level++) {
      const winners = pyramid[level];
      const top = level === pyramid.length - 1;
      while (from < to && (top || from % FAN_OUT)) consider(winners[from++]);
      while (from < to && to % FAN_OUT) consider(winners[--to]);
      from /= FAN_OUT; to /= FAN_OUT;
    }
    return best;
  }

  // Busy time of one row within [from, to), exact to the nanosecond.
  busyIn(row, from, to) {
    const first = this.offsets[row], last = this.offsets[row + 1];
    const a = this.firstAtOrAfter(from, first, last), b = this.firstAtOrAfter(to, a, last);
    let busy = this.busyBefore[b] - this.busyBefore[a];
    if (a > first) busy += Math.max(0, Math.min(this.end(a - 1), to) - from);
    if (b > a) busy -= Math.max(0, this.end(b - 1) - to);
    return busy;
  }

  // The mark under a time, or the nearest one within `slack`.
  pick(row, time, slack) {
    const first = this.offsets[row], last = this.offsets[row + 1];
    const after = this.firstAtOrAfter(time + slack, first, last);
    let best = -1, distance = Infinity;
    for (let mark = Math.max(first, after - 3); mark < Math.min(last, after + 1); mark++) {
      const away = Math.max(this.start[mark] - time, time - this.end(mark), 0);
      if (away <= slack && away <= distance) { best = mark; distance = away; }
    }
    return best;
  }

  // The innermost mark of the given categories that holds `time`, on the lane of `mark`.
  enclosing(mark, time, categories) {
    const lane = this.model.rows[this.rowOf(mark)][0];
    let found = -1;
    this.model.rows.forEach(([rowLane], row) => {
      if (rowLane !== lane) return;
      const near = this.pick(row, time, 0);
      if (near < 0 || !categories.includes(this.categoryName(near))) return;
      if (found < 0 || this.start[near] >= this.start[found]) found = near;
    });
    return found;
  }
}

function prefixSums(values) {
  const sums = new Float64Array(values.length + 1);
  for (let i = 0; i < values.length; i++) sums[i + 1] = sums[i] + values[i];
  return sums;
}

// Level 0 holds the longest mark of each 16, level 1 of each 16 of those, and so on.
function longestPyramid(duration) {
  const levels = [];
  let below = null, count = duration.length;
  do {
    const size = Math.ceil(count / FAN_OUT), winners = new Int32Array(size);
    for (let i = 0; i < size; i++) {
      let best = below ? below[i * FAN_OUT] : i * FAN_OUT;
      for (let k = i * FAN_OUT; k < Math.min(count, (i + 1) * FAN_OUT); k++) {
        const mark = below ? below[k] : k;
        if (duration[mark] > duration[best]) best = mark;
      }
      winners[i] = best;
    }
    levels.push(winners);
    below = winners;
    count = size;
  } while (count > 1);
  return levels;
}

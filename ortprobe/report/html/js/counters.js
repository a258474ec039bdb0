// What is counted over time: streams at work, launches that have not begun, memory that onnxruntime holds.

class Counters {
  constructor(store, relations, arena) {
    this.store = store;
    this.known = new Map();
    this.make = {
      streams: () => streamsAtWork(store),
      queue: () => launchesInQueue(store, relations),
      arena: () => new StepFunction(arena.time, arena.held),
    };
  }

  // Computed when it is first looked at: a large capture takes a moment.
  of(counter) {
    if (!this.known.has(counter)) this.known.set(counter, this.make[counter]());
    return this.known.get(counter);
  }

  // Whether it is known already; otherwise it will be, once the timeline can be seen, and `then` is called.
  isKnown(counter, then) {
    if (!this.known.has(counter)) nextFrame().then(() => { this.of(counter); then(); });
    return this.known.has(counter);
  }

  text(counter, value) {
    if (counter === "arena") return formatBytes(value);
    return Number.isInteger(value) ? formatCount(value) : value.toFixed(2);
  }
}

// A stream is at work once, however many of its kernels overlap.
function streamsAtWork(store) {
  const rowsOfLane = new Map(), begins = [], ends = [];
  store.model.rows.forEach(([lane, layer], row) => {
    if (layer !== DEVICE_LAYER) return;
    if (!rowsOfLane.has(lane)) rowsOfLane.set(lane, []);
    rowsOfLane.get(lane).push(row);
  });
  for (const rows of rowsOfLane.values()) {
    let until = -Infinity;
    for (const mark of inTimeOrder(store, rows)) {
      const end = store.end(mark);
      if (store.start[mark] > until) { begins.push(store.start[mark]); ends.push(end); }
      else if (end > until) ends[ends.length - 1] = end;
      until = Math.max(until, end);
    }
  }
  return StepFunction.ofBeginsAndEnds(begins, ends);
}

function inTimeOrder(store, rows) {
  const marks = rows.flatMap(row => Array.from({ length: store.offsets[row + 1] - store.offsets[row] }, (_, at) => store.offsets[row] + at));
  return rows.length > 1 ? marks.sort((a, b) => store.start[a] - store.start[b]) : marks;
}

function launchesInQueue(store, relations) {
  const begins = [], ends = [];
  store.model.rows.forEach(([, layer], row) => {
    if (layer !== DEVICE_LAYER) return;
    for (let mark = store.offsets[row]; mark < store.offsets[row + 1]; mark++) {
      const call = relations.callOf(mark);
      if (call < 0 || store.end(call) >= store.start[mark]) continue;
      begins.push(store.end(call));
      ends.push(store.start[mark]);
    }
  });
  return StepFunction.ofBeginsAndEnds(begins, ends);
}

// What is counted over time: streams at work, launches that have not begun, memory that onnxruntime holds.

class Counters {
  constructor(store, relations, arena) {
    this.store = store;
    this.known = new Map();
    this.make = {
      streams: side => streamsAtWork(store, side),
      queue: side => launchesInQueue(store, relations, side),
      arena: side => arenasHeld(arena, side),
    };
  }

  // Computed when it is first looked at: a large capture takes a moment.
  of(lane) {
    if (!this.known.has(lane)) this.known.set(lane, this.make[lane.counter](lane.side));
    return this.known.get(lane);
  }

  // Whether it is known already; otherwise it will be, once the timeline can be seen, and `then` is called.
  isKnown(lane, then) {
    if (!this.known.has(lane)) nextFrame().then(() => { this.of(lane); then(); });
    return this.known.has(lane);
  }

  text(counter, value) {
    if (counter === "arena") return formatBytes(value);
    return Number.isInteger(value) ? formatCount(value) : value.toFixed(2);
  }
}

function isDeviceWork(store, [lane, layer], side) {
  return layer === DEVICE_LAYER && store.model.lanes[lane].side === side;
}

// Of one capture: each has a memory of its own.
function arenasHeld(arena, side) {
  const mine = (_, row) => arena.side[row] === side;
  return new StepFunction(Float64Array.from(arena.time).filter(mine), Float64Array.from(arena.held).filter(mine));
}

// A stream is at work once, however many of its kernels overlap.
function streamsAtWork(store, side) {
  const rowsOfLane = new Map(), begins = [], ends = [];
  store.model.rows.forEach(([lane, layer], row) => {
    if (!isDeviceWork(store, [lane, layer], side)) return;
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

function launchesInQueue(store, relations, side) {
  const begins = [], ends = [];
  store.model.rows.forEach((place, row) => {
    if (!isDeviceWork(store, place, side)) return;
    for (let mark = store.offsets[row]; mark < store.offsets[row + 1]; mark++) {
      const call = relations.callOf(mark);
      if (call < 0 || store.end(call) >= store.start[mark]) continue;
      begins.push(store.end(call));
      ends.push(store.start[mark]);
    }
  });
  return StepFunction.ofBeginsAndEnds(begins, ends);
}

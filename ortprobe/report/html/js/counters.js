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

  text(counter, value) {
    if (counter === "arena") return formatBytes(value);
    return Number.isInteger(value) ? formatCount(value) : value.toFixed(2);
  }
}

// A stream is at work once, however many of its kernels overlap.
function streamsAtWork(store) {
  const rowsOfLane = new Map(), changes = [];
  store.model.rows.forEach(([lane, layer], row) => {
    if (layer !== DEVICE_LAYER) return;
    if (!rowsOfLane.has(lane)) rowsOfLane.set(lane, []);
    rowsOfLane.get(lane).push(row);
  });
  for (const rows of rowsOfLane.values()) {
    const marks = rows.flatMap(row => range(store.offsets[row], store.offsets[row + 1]));
    if (rows.length > 1) marks.sort((a, b) => store.start[a] - store.start[b]);
    let until = -Infinity;
    for (const mark of marks) {
      const end = store.end(mark);
      if (store.start[mark] > until) changes.push([store.start[mark], 1], [end, -1]);
      else if (end > until) changes[changes.length - 1][0] = end;
      until = Math.max(until, end);
    }
  }
  return StepFunction.ofChanges(changes);
}

function launchesInQueue(store, relations) {
  const changes = [];
  store.model.rows.forEach(([, layer], row) => {
    if (layer !== DEVICE_LAYER) return;
    for (let mark = store.offsets[row]; mark < store.offsets[row + 1]; mark++) {
      const call = relations.callOf(mark);
      if (call >= 0 && store.end(call) < store.start[mark]) changes.push([store.end(call), 1], [store.start[mark], -1]);
    }
  });
  return StepFunction.ofChanges(changes);
}

function range(from, to) {
  return Array.from({ length: to - from }, (_, at) => from + at);
}

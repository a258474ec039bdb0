// What a mark belongs to: launch and work, work and node, wait and what was waited for, idle and its cause; and what it
// races with.

const DEVICE_CATEGORIES = ["KERNEL", "COPY", "FILL"];
const DEVICE_LAYER = "device work";
const CALL_CATEGORIES = ["LAUNCH", "CUDA_CALL"];
const MAX_ARROWS = 24;

class Relations {
  constructor(store, waits, pieces, races) {
    this.store = store;
    this.waits = waits;
    this.pieces = pieces;
    this.races = races;
    this.waitsForWork = rowsBySpan(waits.work);
    this.waitsOfCall = rowsBySpan(waits.call);
    this.racesFrom = rowsBySpan(races.first);
    this.racesTo = rowsBySpan(races.second);
    this.workOfNodeRun = null;
  }

  // [{from, to, label, isRace}], with `from` and `to` marks; the arrow points the way things happened, or should have.
  of(mark) {
    if (mark < 0) return [];
    const category = this.store.categoryName(mark);
    const found = this.racesOf(mark);
    const add = (from, to, label) => { if (from >= 0 && to >= 0 && from !== to) found.push({ from, to, label }); };
    if (DEVICE_CATEGORIES.includes(category)) this.ofWork(mark, add);
    else if (CALL_CATEGORIES.includes(category)) this.ofCall(mark, add);
    else if (category === "ORT_NODE") for (const work of this.workOfNode(mark)) add(mark, work, "its work on the GPU");
    else if (category === "HOST_WAIT" || category === "STREAM_WAIT") this.ofWait(mark, add);
    else if (this.store.keys[this.store.category[mark]] === "i") this.ofIdle(mark, add);
    else if (category === "RE_INIT" || category === "CREATION" || category === "SESSION") this.ofSession(mark, add);
    return found.slice(0, MAX_ARROWS);
  }

  racesOf(mark) {
    const { store, races } = this, span = store.ref[mark];
    if (store.keys[store.category[mark]] !== "s") return [];
    return [...(this.racesFrom.get(span) || []), ...(this.racesTo.get(span) || [])].map(race => {
      const slack = races.slack[race], by = formatNs(Math.abs(slack));
      const label = slack < 0 ? `races with, overlapping by ${by}:` : `races with, ${by} to spare:`;
      return { from: store.markOfSpan(races.first[race]), to: store.markOfSpan(races.second[race]), label, isRace: true };
    }).filter(({ from, to }) => from >= 0 && to >= 0 && from !== to);
  }

  callOf(work) {
    const call = this.store.correlated(work).find(mark => CALL_CATEGORIES.includes(this.store.categoryName(mark)));
    return call === undefined ? -1 : call;
  }

  nodeMarkOf(work) {
    const call = this.callOf(work);
    return call < 0 || this.store.node[work] < 0 ? -1 : this.store.enclosing(call, this.store.start[call], ["ORT_NODE"]);
  }

  workOfNode(nodeMark) {
    const { store } = this;
    if (!this.workOfNodeRun) {
      this.workOfNodeRun = new Map();
      for (let mark = 0; mark < store.length; mark++) {
        if (store.node[mark] < 0 || !DEVICE_CATEGORIES.includes(store.categoryName(mark))) continue;
        const key = `${store.node[mark]}:${store.run[mark]}`;
        if (!this.workOfNodeRun.has(key)) this.workOfNodeRun.set(key, []);
        this.workOfNodeRun.get(key).push(mark);
      }
    }
    return this.workOfNodeRun.get(`${store.node[nodeMark]}:${store.run[nodeMark]}`) || [];
  }

  ofWork(mark, add) {
    add(this.callOf(mark), mark, "launched by");
    add(this.nodeMarkOf(mark), mark, "its ONNX node");
    for (const wait of this.waitsForWork.get(this.store.ref[mark]) || []) {
      add(mark, this.store.markOf(`w${wait}`), "waited for by");
    }
  }

  ofCall(mark, add) {
    for (const other of this.store.correlated(mark)) {
      if (DEVICE_CATEGORIES.includes(this.store.categoryName(other))) add(mark, other, "launched");
    }
    for (const wait of this.waitsOfCall.get(this.store.ref[mark]) || []) {
      add(this.store.markOfSpan(this.waits.work[wait]), mark, "waited for");
      add(mark, this.store.markOf(`w${wait}`), "its wait");
    }
  }

  ofWait(mark, add) {
    const wait = this.store.ref[mark];
    add(this.store.markOfSpan(this.waits.work[wait]), mark, "waited for");
    add(this.store.markOfSpan(this.waits.call[wait]), mark, "made by the call");
  }

  ofIdle(mark, add) {
    const piece = this.store.ref[mark];
    add(this.store.markOfSpan(this.pieces.because[piece]), mark, "because of");
    add(mark, this.store.markOfSpan(this.pieces.ended_by[piece]), "ended by");
  }

  ofSession(mark, add) {
    const session = this.store.ref[mark], { replaces } = this.store.model;
    if (replaces[session] !== null) {
      const before = this.store.markOf(`l${replaces[session]}`);
      add(before < 0 ? this.store.markOf(`c${replaces[session]}`) : before, this.store.markOf(`c${session}`), "replaced");
    }
    const after = replaces.indexOf(session);
    if (after >= 0) add(mark, this.store.markOf(`c${after}`), "replaced by");
  }
}

function rowsBySpan(spans) {
  const rows = new Map();
  spans.forEach((span, row) => {
    if (span < 0) return;
    if (!rows.has(span)) rows.set(span, []);
    rows.get(span).push(row);
  });
  return rows;
}

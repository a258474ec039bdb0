// Marks whose name, or whose node's name, holds a text.

class Search {
  constructor(store) {
    this.store = store;
    this.active = false;
    this.hits = [];
  }

  run(text) {
    const wanted = text.trim().toLowerCase(), { store } = this;
    this.active = wanted !== "";
    this.hits = [];
    if (!this.active) return;
    const matches = store.names.map(name => name.toLowerCase().includes(wanted));
    this.before = new Uint32Array(store.length + 1);
    for (let mark = 0; mark < store.length; mark++) {
      const node = store.node[mark];
      const hit = matches[store.name[mark]] || (node >= 0 && matches[store.model.nodes.name[node]]);
      this.before[mark + 1] = this.before[mark] + (hit ? 1 : 0);
      if (hit) this.hits.push(mark);
    }
    this.hits.sort((a, b) => store.start[a] - store.start[b] || a - b);
  }

  hitsIn(first, last) { return this.before[last] - this.before[first]; }

  next(selected, by) {
    if (!this.hits.length) return -1;
    const at = this.hits.indexOf(selected);
    if (at >= 0) return this.hits[(at + by + this.hits.length) % this.hits.length];
    const time = selected < 0 ? -1 : this.store.start[selected];
    const after = this.hits.find(mark => this.store.start[mark] >= time);
    return after === undefined ? this.hits[0] : after;
  }
}

// Tables from columns: sort by a click on the header, filter, copy as CSV, and a click on a row shows it in the timeline.

const PAGE_ROWS = 100;
const WRITE = {
  text: value => value, int: value => (value === null ? "–" : formatCount(value)), ns: formatNs,
  more: value => (value < 0 ? `−${formatNs(-value)}` : (value > 0 ? "+" : "") + formatNs(value)),
  time: value => (value === null ? "not measured" : formatMoment(value)),
};

class Tables {
  constructor(tables, timeline) {
    this.tables = tables;
    this.timeline = timeline;
    this.places = null;
  }

  build(box) {
    for (const table of this.tables) box.append(this.section(table));
  }

  rowOf(key) {
    if (!this.places) {
      this.places = new Map();
      for (const table of this.tables) table.keys.forEach((each, row) => { if (!/^s/.test(each)) this.places.set(each, [table, row]); });
    }
    const place = this.places.get(key);
    return place && place[0].columns.map(column => [column.label, WRITE[column.kind](column.values[place[1]])]);
  }

  section(table) {
    const state = { table, sorted: -1, descending: false, filter: "", shown: PAGE_ROWS };
    const body = element("tbody"), count = element("span", { class: "count", "aria-live": "polite" });
    const more = element("button", { type: "button", onclick: () => { state.shown += 5 * PAGE_ROWS; this.fill(state, body, count, more); } });
    const headers = table.columns.map((column, index) => this.header(column, index, state, () => {
      headers.forEach((each, other) => each.setAttribute("aria-sort",
        other !== state.sorted ? "none" : state.descending ? "descending" : "ascending"));
      this.fill(state, body, count, more);
    }));
    const filter = element("input", { type: "search", placeholder: "Filter", oninput: event => {
      state.filter = event.target.value.toLowerCase();
      this.fill(state, body, count, more);
    }, "aria-label": `Filter ${table.title}` });
    const copy = element("button", { type: "button", onclick: event => copyText(this.csv(state), event.currentTarget) }, "Copy as CSV");
    this.fill(state, body, count, more);
    const summary = element("summary", {}, element("h3", {}, table.title), element("span", { class: "count" }, table.note));
    const scroll = element("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": table.title },
      element("table", { id: `table-${table.key}` }, element("thead", {}, element("tr", {}, ...headers)), body));
    return element("details", { class: "table", open: table.open }, summary,
      element("div", { class: "tools" }, filter, copy, count), scroll, more);
  }

  header(column, index, state, sorted) {
    const sort = () => {
      state.descending = state.sorted === index ? !state.descending : column.kind !== "text";
      state.sorted = index;
      sorted();
    };
    return element("th", { scope: "col", class: column.kind === "text" ? "" : "number", "aria-sort": "none" },
      element("button", { type: "button", onclick: sort }, column.label));
  }

  order({ table, sorted, descending, filter }) {
    let rows = table.keys.map((_, row) => row);
    if (filter) rows = rows.filter(row => table.columns.some(({ kind, values }) => String(WRITE[kind](values[row])).toLowerCase().includes(filter)));
    if (sorted < 0) return rows;
    const { values, kind } = table.columns[sorted], sign = descending ? -1 : 1;
    const rank = value => (value === null ? -Infinity : value);
    const compare = kind === "text" ? (a, b) => values[a].localeCompare(values[b]) : (a, b) => rank(values[a]) - rank(values[b]) || 0;
    return rows.sort((a, b) => sign * compare(a, b) || a - b);
  }

  fill(state, body, count, more) {
    const rows = this.order(state), { table } = state;
    body.replaceChildren(...rows.slice(0, state.shown).map(row => this.row(table, row)));
    count.textContent = state.filter ? `${formatCount(rows.length)} of ${formatCount(table.keys.length)} rows` : "";
    more.hidden = rows.length <= state.shown;
    more.textContent = `Show more (${formatCount(rows.length - state.shown)} left)`;
  }

  row(table, row) {
    const key = table.keys[row], go = () => this.timeline.reveal(key), known = this.timeline.store.markOf(key) >= 0;
    const cells = table.columns.map(({ kind, values, keys }, column) => {
      const text = WRITE[kind](values[row]), own = keys.length ? keys[row] : column === 0 ? key : "";
      const shown = this.timeline.store.markOf(own) < 0 ? text : element("button", {
        type: "button", class: "link", onclick: () => this.timeline.reveal(own), title: "Show in the timeline",
      }, text);
      // A cell would shrink to its longest word, and a row of many cells grow to many lines: the block inside doesn't.
      return kind === "text" ? element("td", {}, element("div", {}, shown)) : element("td", { class: "number" }, shown);
    });
    const line = element("tr", { "data-key": key }, ...cells);
    if (known) line.addEventListener("click", event => { if (!event.target.closest("button") && !String(getSelection())) go(); });
    return line;
  }

  csv(state) {
    const quote = value => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    const lines = [state.table.columns.map(column => quote(column.label + (["ns", "more", "time"].includes(column.kind) ? " [ns]" : "")))];
    for (const row of this.order(state)) lines.push(state.table.columns.map(({ values }) => quote(String(values[row] ?? ""))));
    return lines.map(line => line.join(",")).join("\n");
  }
}

async function copyText(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copying is not allowed here";
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

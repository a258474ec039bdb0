// Lane labels beside the canvas: real buttons that fold their lane or pin it to the top, and the names of its layers.

class Gutter {
  constructor(timeline, box) {
    this.timeline = timeline;
    this.box = box;
    this.buttons = timeline.store.model.lanes.map((lane, index) => this.laneButton(lane, index));
    this.pins = timeline.store.model.lanes.map((lane, index) => element("button", {
      type: "button", class: "pin", title: `Pin ${lane.label} to the top`, "aria-label": `Pin ${lane.label} to the top`,
      onclick: () => this.timeline.pin(index),
    }, "⇧"));
    this.buttons.forEach((button, index) => box.append(button, this.pins[index]));
    this.layers = element("div", { "aria-hidden": "true" });
    box.append(this.layers);
  }

  laneButton(lane, index) {
    return element("button", {
      type: "button", class: `lane of-side-${lane.side}${lane.counter ? " counter" : ""}`, title: `${lane.label} · ${lane.note}`, onclick: () => this.timeline.fold(index),
    }, element("span", { class: "lane-name" }, lane.label), element("span", { class: "lane-note" }, lane.note));
  }

  draw() {
    const { layout } = this.timeline, { rows } = this.timeline.store.model;
    this.box.style.height = `${layout.total}px`;
    this.buttons.forEach((button, index) => {
      const folded = layout.folded.has(index);
      button.style.top = `${layout.lanes[index].top - 3}px`;
      button.style.height = `${layout.lanes[index].height + 5}px`;
      button.classList.toggle("folded", folded);
      button.setAttribute("aria-expanded", String(!folded));
      this.pins[index].style.top = `${layout.lanes[index].top - 2}px`;
      this.pins[index].setAttribute("aria-pressed", String(layout.pinned.has(index)));
    });
    this.layers.replaceChildren();
    layout.lanes.forEach((lane, index) => {
      if (layout.folded.has(index)) return;
      let layer = null;
      for (const row of lane.rows) {
        if (rows[row][1] === layer) continue;
        layer = rows[row][1];
        const label = element("span", { class: "layer" }, layer);
        label.style.top = `${layout.top[row]}px`;
        this.layers.append(label);
      }
    });
  }
}

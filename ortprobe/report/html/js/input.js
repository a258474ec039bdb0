// Pointer, wheel and keys. Letters go by their place on the keyboard, so that WASD is WASD on any layout.

const ZOOM_STEP = 0.7, PAN_STEP = 0.2, DRAG_SLACK = 4;

function bindPointer(timeline, tip) {
  const { canvas, axis } = timeline.parts;
  let drag = null;
  canvas.addEventListener("pointerdown", event => {
    if (event.button > 1) return;
    canvas.setPointerCapture(event.pointerId);
    drag = { x: event.offsetX, view: { ...timeline.view }, pans: event.shiftKey || event.button === 1, moved: false };
  });
  canvas.addEventListener("pointermove", event => {
    if (!drag) { hover(timeline, tip, event); return; }
    if (event.pointerType === "touch") return;
    drag.moved = drag.moved || Math.abs(event.offsetX - drag.x) > DRAG_SLACK;
    if (!drag.moved) return;
    tip.hidden = true;
    if (drag.pans) {
      const by = ((drag.x - event.offsetX) * (drag.view.to - drag.view.from)) / timeline.width;
      timeline.show(drag.view.from + by, drag.view.to + by);
    } else timeline.measure(timeline.time(drag.x), timeline.time(event.offsetX));
  });
  canvas.addEventListener("pointerup", event => {
    if (drag && !drag.moved) {
      if (timeline.area) timeline.measure(null);
      timeline.select(timeline.at(event.offsetX, event.offsetY));
    } else timeline.remember();
    drag = null;
  });
  canvas.addEventListener("pointercancel", () => { drag = null; });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("dblclick", () => timeline.fit());
  axis.addEventListener("click", event => {
    const flag = timeline.flags().find(({ x }) => event.offsetX >= x - 3 && event.offsetX <= x + 62);
    if (flag) timeline.select(flag.mark);
  });
}

function hover(timeline, tip, event) {
  const mark = timeline.at(event.offsetX, event.offsetY);
  timeline.parts.canvas.style.cursor = mark < 0 ? "crosshair" : "pointer";
  const counted = mark < 0 ? timeline.counterAt(event.offsetY) : undefined;
  tip.hidden = mark < 0 && !counted;
  if (tip.hidden) return;
  tip.textContent = counted
    ? timeline.counters.text(counted.counter, timeline.counters.of(counted).at(timeline.time(event.offsetX)))
    : `${timeline.store.label(mark)} · ${formatNs(timeline.store.duration[mark])}`;
  // On the side of the pointer with more room: to ask how wide the tip is would lay out the whole page.
  const isRight = event.clientX > innerWidth / 2;
  tip.style.left = isRight ? "auto" : `${event.clientX + 14}px`;
  tip.style.right = isRight ? `${document.documentElement.clientWidth - event.clientX + 14}px` : "auto";
  tip.style.top = `${event.clientY + 18}px`;
}

function bindWheel(timeline) {
  timeline.parts.canvas.addEventListener("wheel", event => {
    if (event.ctrlKey || event.metaKey) timeline.zoom(Math.exp(event.deltaY * 0.0025), timeline.time(event.offsetX));
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      timeline.pan((event.deltaX || event.deltaY) / timeline.width);
    } else return;
    event.preventDefault();
    clearTimeout(timeline.settling);
    timeline.settling = setTimeout(() => timeline.remember(), 200);
  }, { passive: false });
}

function bindKeys(timeline, help) {
  const moves = {
    KeyW: () => timeline.zoom(ZOOM_STEP), KeyS: () => timeline.zoom(1 / ZOOM_STEP),
    KeyA: () => timeline.pan(-PAN_STEP), KeyD: () => timeline.pan(PAN_STEP),
    KeyF: () => timeline.fit(), Digit0: () => timeline.whole(), Numpad0: () => timeline.whole(),
    Period: () => timeline.step(1), Comma: () => timeline.step(-1), KeyP: () => timeline.pinSelected(),
  };
  addEventListener("keydown", event => {
    const typing = event.target.closest("input, textarea, select");
    if (event.ctrlKey || event.metaKey || event.altKey || typing || help.open) return;
    if (event.key === "?") help.showModal();
    else if (event.key === "/") timeline.parts.search.focus();
    else if (event.code === "Escape") timeline.clear();
    else if (moves[event.code]) { moves[event.code](); timeline.remember(); }
    else return;
    event.preventDefault();
  });
}

function bindSearch(timeline) {
  const { search, hits } = timeline.parts;
  search.addEventListener("input", () => timeline.find(search.value));
  search.addEventListener("keydown", event => {
    if (event.key === "Enter") timeline.nextHit(event.shiftKey ? -1 : 1);
    if (event.key !== "Escape") return;
    search.value = "";
    timeline.find("");
    timeline.parts.canvas.focus({ preventScroll: true });
  });
  timeline.onChange(what => {
    if (what !== "search") return;
    hits.textContent = timeline.search.active ? `${formatCount(timeline.search.hits.length)} hits` : "";
  });
}

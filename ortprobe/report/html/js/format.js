// Numbers as people read them, and DOM built without markup: data only ever becomes text. And when it is on the screen.

// Made once: a formatter costs a thousand times what it formats.
const COUNTS = new Intl.NumberFormat("en-US");
const THREE_DECIMALS = new Intl.NumberFormat("en-US", { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const TIME_STEPS = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]];

function formatNs(ns) {
  if (ns === null || ns === undefined) return "not measured";
  for (const [step, unit] of TIME_STEPS) {
    if (Math.abs(ns) >= step) return `${threeDigits(ns / step)} ${unit}`;
  }
  return `${Math.round(ns)} ns`;
}

function threeDigits(value) {
  const size = Math.abs(value);
  return value.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0);
}

// A position on the axis needs as many digits as the ticks are apart.
function formatTick(ns, stepNs) {
  const [scale, unit] = TIME_STEPS.find(([step]) => stepNs >= step / 100) || [1, "ns"];
  const digits = Math.max(0, Math.ceil(-Math.log10(stepNs / scale) - 1e-9));
  return `${(ns / scale).toFixed(digits)} ${unit}`;
}

// A moment of the capture, to the microsecond.
function formatMoment(ns) {
  return `${THREE_DECIMALS.format(ns / 1e6)} ms`;
}

function formatCount(count) {
  return count < 1000 && Number.isInteger(count) ? String(count) : COUNTS.format(count);
}

const SIZE_STEPS = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]];

function formatBytes(bytes) {
  const [step, unit] = SIZE_STEPS.find(([least]) => Math.abs(bytes) >= least) || [1, "B"];
  return step === 1 ? `${Math.round(bytes)} B` : `${threeDigits(bytes / step)} ${unit}`;
}

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.startsWith("aria-") || name.startsWith("data-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

// A page in a frame by srcdoc has no address of its own: "#tables" would be one of the page around it.
const HAS_ADDRESS = location.protocol !== "about:";

// Resolves when what was drawn is on the screen: what comes behind it keeps nobody waiting for the timeline.
function nextFrame() {
  return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))));
}

const byId = id => document.getElementById(id);

function plainText(text, room, charWidth) {
  const fits = Math.floor(room / charWidth);
  return text.length <= fits ? text : fits < 3 ? "" : `${text.slice(0, fits - 1)}…`;
}

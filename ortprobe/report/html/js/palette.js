// Okabe and Ito's hues in a shade for each theme. Every category also has its lane and label; some have a hatch.

const PALETTE = {
  HOOK: { label: "hooked call", light: "#8c4b00", dark: "#d98a3d" },
  TORCH: { label: "torch op", light: "#c2560a", dark: "#e69f00" },
  RANGE: { label: "named range", light: "#8a6d3b", dark: "#c9ab74" },
  ORT_SETUP: { label: "load / initialise", light: "#a03b78", dark: "#cc79a7", hatch: "/" },
  ORT_RUN: { label: "ORT run / execute", light: "#005a8f", dark: "#3f93c9" },
  ORT_NODE: { label: "ONNX node (host)", light: "#3a7ca5", dark: "#7dbfe3" },
  LAUNCH: { label: "launch", light: "#00735a", dark: "#2fb58f" },
  CUDA_CALL: { label: "other CUDA call", light: "#6a7d78", dark: "#8fa6a0" },
  OVERHEAD: { label: "profiler", light: "#7a7a7a", dark: "#9a9a9a", hatch: "\\" },
  KERNEL: { label: "kernel", light: "#007a5c", dark: "#22b183" },
  COPY: { label: "copy", light: "#b04a00", dark: "#e8793a" },
  FILL: { label: "fill", light: "#7a6a00", dark: "#d5c740" },
  RECORD: { label: "event record", light: "#6a6f78", dark: "#a8adb5" },
  HOST_WAIT: { label: "host waits", light: "#9b2f63", dark: "#e08bb8", hatch: "\\" },
  STREAM_WAIT: { label: "stream waits", light: "#9b2f63", dark: "#e08bb8", hatch: "/" },
  SESSION: { label: "session", light: "#c9dceb", dark: "#23445c" },
  CREATION: { label: "session creation", light: "#0b6aa8", dark: "#56b4e9", hatch: "/" },
  RE_INIT: { label: "re-initialisation", light: "#c0330e", dark: "#ff7a4d", hatch: "x" },
  RUN: { label: "run", light: "#5c8fb5", dark: "#4f87ad" },
  FIRST_RUN: { label: "first run of a session", light: "#1d5480", dark: "#8cc4ea", hatch: "/" },
  IDLE_HOST: { label: "idle: host busy elsewhere", light: "#d99a2b", dark: "#b9832a" },
  IDLE_SETUP: { label: "idle: setting up", light: "#c98fb4", dark: "#a1648b" },
  IDLE_WAIT: { label: "idle: waiting", light: "#d46a8e", dark: "#b94f75" },
  IDLE_LAUNCH: { label: "idle: launch latency", light: "#9cc3a5", dark: "#5f8f6b" },
  IDLE_PROFILER: { label: "idle: profiler", light: "#b5b5b5", dark: "#7d7d7d", hatch: "\\" },
  IDLE_END: { label: "idle: no work left", light: "#e3e5e8", dark: "#2d333b" },
  UNATTRIBUTED: { label: "idle: unattributed", light: "#4d4d4d", dark: "#d8d8d8", hatch: "x" },
  OTHER: { label: "other", light: "#707070", dark: "#a0a0a0" },
};

const INK = {
  light: { page: "#ffffff", band: "#f5f6f8", text: "#1b1f24", soft: "#57606a", line: "#e2e5e9", focus: "#0b57d0", dim: "#e4e6ea", flag: "#c0330e", count: "#5b5fa8" },
  dark: { page: "#11151a", band: "#171c22", text: "#e6e9ed", soft: "#9aa4af", line: "#2a3139", focus: "#7ab7ff", dim: "#2a3036", flag: "#ff7a4d", count: "#9a9ee8" },
};

function currentTheme() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen) return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

// Black and white ink read equally well on a ground of this luminance.
const EVEN_CONTRAST = 0.18;

class Palette {
  constructor(categories, theme) {
    this.ink = INK[theme];
    this.fill = categories.map(name => PALETTE[name][theme]);
    this.labelInk = this.fill.map(fill => (luminance(fill) > EVEN_CONTRAST ? "#111418" : "#ffffff"));
    this.hatch = categories.map(name => (PALETTE[name].hatch ? hatchPattern(PALETTE[name].hatch, theme) : null));
  }
}

function luminance(hex) {
  const channel = at => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

function hatchPattern(strokes, theme) {
  const tile = element("canvas", { width: 8, height: 8 }), pen = tile.getContext("2d");
  pen.strokeStyle = theme === "dark" ? "rgba(0,0,0,.38)" : "rgba(255,255,255,.42)";
  pen.lineWidth = 1.6;
  pen.beginPath();
  for (const shift of [-8, 0, 8]) {
    if (strokes !== "\\") { pen.moveTo(shift, 8); pen.lineTo(shift + 8, 0); }
    if (strokes !== "/") { pen.moveTo(shift, 0); pen.lineTo(shift + 8, 8); }
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

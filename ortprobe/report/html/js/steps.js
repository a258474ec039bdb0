// A number that changes in steps over time: its extremes in a stretch, and its mean, whatever the number of steps.

class StepFunction {
  // `times` rise; from each of them on the value is that at the same place. Before the first it is 0.
  constructor(times, values) {
    this.times = times;
    this.values = values;
    this.greatest = values.reduce((most, value) => Math.max(most, value), 0);
    this.lows = extremePyramid(values, Math.min);
    this.highs = extremePyramid(values, Math.max);
    this.areas = new Float64Array(times.length + 1);
    for (let i = 1; i < times.length; i++) this.areas[i] = this.areas[i - 1] + values[i - 1] * (times[i] - times[i - 1]);
  }

  // From changes: sorts them by time and sums them up; those of one moment are one step.
  static ofChanges(changes) {
    changes.sort((a, b) => a[0] - b[0]);
    const times = [], values = [];
    let value = 0;
    for (const [time, by] of changes) {
      value += by;
      if (times.length && times[times.length - 1] === time) values[values.length - 1] = value;
      else { times.push(time); values.push(value); }
    }
    return new StepFunction(Float64Array.from(times), Float64Array.from(values));
  }

  // How many steps begin before or at a time.
  stepsUntil(time) {
    let low = 0, high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] <= time) low = middle + 1; else high = middle;
    }
    return low;
  }

  at(time) {
    const steps = this.stepsUntil(time);
    return steps ? this.values[steps - 1] : 0;
  }

  // [least, greatest] within [from, to).
  extremes(from, to) {
    const first = this.stepsUntil(from), past = Math.max(first, this.stepsUntil(to));
    const begin = first ? this.values[first - 1] : 0;
    return [extremeIn(this.values, this.lows, first, past, Math.min, begin), extremeIn(this.values, this.highs, first, past, Math.max, begin)];
  }

  mean(from, to) { return to > from ? (this.areaUntil(to) - this.areaUntil(from)) / (to - from) : this.at(from); }

  areaUntil(time) {
    const steps = this.stepsUntil(time);
    return steps ? this.areas[steps - 1] + this.values[steps - 1] * (time - this.times[steps - 1]) : 0;
  }
}

// Level 0 holds the extreme of each 16 values, level 1 of each 16 of those, and so on.
function extremePyramid(values, pick) {
  const levels = [];
  for (let below = values; below.length > FAN_OUT; below = levels[levels.length - 1]) {
    const level = new Float64Array(Math.ceil(below.length / FAN_OUT));
    for (let i = 0; i < level.length; i++) {
      let best = below[i * FAN_OUT];
      for (let k = i * FAN_OUT + 1; k < Math.min(below.length, (i + 1) * FAN_OUT); k++) best = pick(best, below[k]);
      level[i] = best;
    }
    levels.push(level);
  }
  return levels;
}

function extremeIn(values, levels, from, to, pick, best) {
  let level = values;
  for (let depth = 0; from < to; depth++) {
    const top = depth >= levels.length;
    while (from < to && (top || from % FAN_OUT)) best = pick(best, level[from++]);
    while (from < to && to % FAN_OUT) best = pick(best, level[--to]);
    from /= FAN_OUT; to /= FAN_OUT;
    level = levels[depth];
  }
  return best;
}

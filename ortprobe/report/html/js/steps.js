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

  // Of what begins at some times and ends at others, how many are on; what begins and ends in one moment is one step.
  static ofBeginsAndEnds(begins, ends) {
    const ups = Float64Array.from(begins).sort(), downs = Float64Array.from(ends).sort();
    const times = new Float64Array(ups.length + downs.length), values = new Float64Array(times.length);
    let steps = 0, value = 0;
    for (let up = 0, down = 0; up < ups.length || down < downs.length;) {
      const time = Math.min(up < ups.length ? ups[up] : Infinity, down < downs.length ? downs[down] : Infinity);
      for (; ups[up] === time; up++) value++;
      for (; downs[down] === time; down++) value--;
      times[steps] = time;
      values[steps++] = value;
    }
    return new StepFunction(times.subarray(0, steps), values.subarray(0, steps));
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

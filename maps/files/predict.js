"use strict";
// What the numbers of a row lead one to expect, as maps/predict.py says: the page keeps only how
// they differ from it. Sums, products, quotients and roots in the same order give the same numbers.
const SLACK = 1e-6;

const PREDICTED = {
  same: ({ take }, of) => take(of),
  times: ({ take }, of, factor) => each(take(of), (number) => Math.floor(number * factor + 0.5)),
  left: ({ take }, of, needed) => each(take(of), (number) => Math.max(0, needed - number)),
  share: ({ take, steps }) => {
    const [passed, tried] = [take("successes"), take("trials")];
    return each(passed, (_, i) => shareOf(passed[i], tried[i], steps.share));
  },
  low: ({ take, steps, z }) => {
    const places = take("places");
    const share = exactShares(take, steps.share);
    return each(places, (_, i) => lowOf(share[i], places[i], z, steps.share));
  },
  high: ({ take, steps, z }) => {
    const [low, places] = [take("share_low"), take("places")];
    const share = exactShares(take, steps.share);
    return each(places, (_, i) => highOf(share[i], low[i], places[i], z, steps.share));
  },
};

const each = (numbers, work) => Int32Array.from(numbers, work);

function shareOf(passed, tried, steps) {
  return Math.floor((passed / Math.max(1, tried)) * steps + SLACK);
}

function exactShares(take, steps) {
  const [share, passed, tried] = [take("share"), take("successes"), take("trials")];
  return Float64Array.from(share, (rounded, i) =>
    rounded === shareOf(passed[i], tried[i], steps) ? passed[i] / Math.max(1, tried[i]) : rounded / steps,
  );
}

function lowOf(share, places, z, steps) {
  const [centre, half] = wilson(share, Math.max(1, places), z);
  return Math.floor(Math.max(0, centre - half) * steps + SLACK);
}

function highOf(share, low, places, z, steps) {
  const within = (low + 0.5) / steps;
  const apart = share - within;
  const worth = (z * z * (within * (1 - within))) / (apart > 0 ? apart * apart : 1);
  const known = low === lowOf(share, places, z, steps) || apart <= 0;
  const [centre, half] = wilson(share, Math.max(1, known ? places : Math.min(places, worth)), z);
  return Math.ceil(Math.min(1, centre + half) * steps - SLACK);
}

function wilson(share, n, z) {
  const zz = z * z;
  const under = 1 + zz / n;
  const spread = Math.max(0, share * (1 - share)) / n + zz / (4 * n * n);
  return [(share + zz / (2 * n)) / under, (z / under) * Math.sqrt(spread)];
}

"use strict";
// Values: what a result says of each area, the class it falls in, and the colour of the class.

/** Open the pack of a result's values; until then there is none of its layers. */
async function loadValues(result) {
  result.bytes = await openPack(result.pack.id);
}

/** Close a result's values again; its pack stays in the page. */
function forgetValues(result) {
  result.bytes = null;
  for (const layer of result.layers) layer.columns = layer.dense = layer.take = layer.rowOf = layer.own = null;
}

/** Give one operator's layer, ready to be asked for values. */
function layerOf(result, operator) {
  const layer = result.layers.find((each) => each.operator === operator) ?? result.layers[0];
  return readied(result, layer);
}

function readied(result, layer) {
  if (layer.columns) return layer;
  layer.columns = new Map();
  layer.result = result;
  layer.steps = { share: result.share_steps, median: result.median_steps };
  layer.z = result.z;
  const prefix = `${result.layers.indexOf(layer)}.`;
  layer.take = (name) => {
    if (!layer.columns.has(name)) layer.columns.set(name, expected(result, layer, prefix + name));
    return layer.columns.get(name);
  };
  const areas = summed(layer.take("area"));
  const same = layer.take("same");
  layer.rowOf = new Int32Array(areas.length ? areas[areas.length - 1] + 1 : 0).fill(-1);
  layer.own = new Int32Array(areas.length);
  let own = 0;
  for (let row = 0; row < areas.length; row++) {
    layer.rowOf[areas[row]] = row;
    layer.own[row] = same[row] < 0 ? own++ : -1;
  }
  layer.other = (row) => readied(result, result.layers[same[row]]);
  layer.dense = new Map();
  return layer;
}

/** Give a column's numbers, -1 for nothing: what is kept, and what the others lead one to expect. */
function expected(result, layer, name) {
  const { columns } = result.pack;
  const numbers = column(result.bytes, columns, name);
  const [kind, , , , count, how, ...of] = columns[name];
  if (!how) return numbers;
  const base = PREDICTED[how](layer, ...of);
  for (let i = 0; i < count; i++) numbers[i] = kind === "s" && numbers[i] === NOTHING ? -1 : numbers[i] + base[i];
  return numbers;
}

/** Give a value of every area, NaN for nothing; those without a row look like `blank`. */
function valuesOf(layer, name, areas) {
  if (layer.dense.has(name)) return layer.dense.get(name);
  const values = new Float64Array(areas).fill(layer.blank[name] ?? NaN);
  const [rows, own, numbers] = [layer.take("area"), layer.own, layer.take(name)];
  const per = stepsOf(layer, name);
  const same = layer.take("same");
  const others = [];
  for (let row = 0; row < rows.length; row++) {
    const area = rows[row];
    if (own[row] < 0) {
      const other = (others[same[row]] ??= valuesOf(layer.other(row), name, areas));
      values[area] = other[area];
    } else {
      const value = numbers[own[row]];
      values[area] = value < 0 ? NaN : value / per;
    }
  }
  layer.dense.set(name, values);
  return values;
}

function stepsOf(layer, name) {
  if (name.startsWith("share")) return layer.steps.share;
  return name.endsWith("_median") ? layer.steps.median : 1;
}

/** Give a value of an area; one without a row looks like the layer's `blank`. */
function valueOf(layer, name, area) {
  const row = layer.rowOf[area.index] ?? -1;
  if (row < 0) return layer.blank[name] ?? null;
  if (name === "best") return nothing(layer.take("best")[row]);
  if (layer.own[row] < 0) return valueOf(layer.other(row), name, area);
  const value = layer.take(name)[layer.own[row]];
  return value < 0 ? null : value / stepsOf(layer, name);
}

const nothing = (value) => (value < 0 ? null : value);

/** Give counts by name (reasons, evidence classes) of one area, those above zero. */
function countsOf(layer, group, area) {
  const row = layer.rowOf[area.index] ?? -1;
  if (row < 0) return [];
  if (layer.own[row] < 0) return countsOf(layer.other(row), group, area);
  return layer[group]
    .map((name, number) => [name, layer.take(`${group}.${number}`)[layer.own[row]]])
    .filter(([, count]) => count > 0);
}

/**
 * Give each area's style (its class doubled, plus 1 where it is hatched) and how many areas each
 * class has.
 */
function classify(shapes, layer, shown) {
  const classes = shown.classes();
  const total = shapes.areas.length;
  const styles = shown.indices(layer, total);
  // A number that rests on too little evidence does not stand without hatching.
  const hatching = shown.hatching ? shown.hatching(layer, total) : null;
  const counts = classes.map(() => 0);
  let hatched = 0;
  for (let index = 0; index < total; index++) {
    const lines = hatching ? hatching[index] : 0;
    counts[styles[index]]++;
    hatched += lines;
    styles[index] = 2 * styles[index] + lines;
  }
  return { classes, styles, counts, hatched };
}

const noData = (label) => ({ label, color: data.scales.no_data, hatch: null });

function classByEdges(edges, value) {
  let index = 0;
  while (index < edges.length && value >= edges[index]) index++;
  return index;
}

function stepClasses(steps, write, unit) {
  const last = steps.edges.length - 1;
  return steps.colors.map((color, index) => {
    let label;
    if (index === 0) label = t("under {high}", { high: write(steps.edges[0]) + unit });
    else if (index > last) label = t("{low} or more", { low: write(steps.edges[last]) + unit });
    else {
      const [low, high] = [write(steps.edges[index - 1]), write(steps.edges[index]) + unit];
      label = t("{low} to under {high}", { low, high });
    }
    return { label, color, hatch: null };
  });
}

// What can be shown. `classes` lists the classes, no data last; `classOf` gives one's index.
const SHOWN = {
  verdict: {
    title: () => t("Verdict"),
    classes: () => data.scales.verdict.map((fill) => ({ ...fill, label: t(fill.label) })),
    indices: (layer, total) => Uint8Array.from(valuesOf(layer, "verdict", total)),
  },
  share: {
    title: () => t("Share of places that pass"),
    hatching: unprovenOnes,
    hatchedLabel: () => t("hatched: unproven (among the above)"),
    classes: () => [
      ...stepClasses(data.scales.steps.share, (edge) => number(edge * 100), "%"),
      noData(t("No data")),
    ],
    indices: byEdges("share", "share"),
  },
  down: {
    title: () => t("Median download, Mbit/s"),
    classes: () => [
      ...stepClasses(data.scales.steps.down, (edge) => number(edge), " Mbit/s"),
      noData(t("No download measured")),
    ],
    indices: byEdges("down", "down_mbps_median"),
  },
  up: {
    title: () => t("Median upload, Mbit/s"),
    classes: () => [
      ...stepClasses(data.scales.steps.up, (edge) => number(edge), " Mbit/s"),
      noData(t("No upload measured")),
    ],
    indices: byEdges("up", "up_mbps_median"),
  },
  rtt: {
    title: () => t("Median idle latency, ms"),
    classes: () => [
      ...stepClasses(data.scales.steps.rtt, (edge) => number(edge), " ms"),
      noData(t("No latency measured")),
    ],
    indices: byEdges("rtt", "rtt_idle_ms_median"),
  },
  nr: {
    title: () => t("5G by strength of evidence"),
    classes: () => [
      ...data.scales.nr.map((fill) => ({ ...fill, label: t(fill.label) })),
      noData(t("No data on 5G")),
    ],
    indices: (layer, total) => strongest(layer, total),
  },
  samples: {
    title: () => t("Number of samples"),
    classes: () => [
      ...stepClasses(data.scales.steps.samples, (edge) => number(edge), ""),
      noData(t("No sample")),
    ],
    indices: byEdges("samples", "samples", 1),
  },
};

/** Tell which areas are unproven. */
function unprovenOnes(layer, total) {
  const unproven = data.scales.verdict.findIndex(({ key }) => key === "unproven");
  return Uint8Array.from(valuesOf(layer, "verdict", total), (verdict) => (verdict === unproven ? 1 : 0));
}

/** Make what gives each area's class of a number by its edges; below `least` is no data. */
function byEdges(scale, name, least = -Infinity) {
  return (layer, total) => {
    const { edges, colors } = data.scales.steps[scale];
    return Uint8Array.from(valuesOf(layer, name, total), (value) =>
      value >= least ? classByEdges(edges, value) : colors.length,
    );
  };
}

/** Give each area's strongest evidence of 5G, or no data. */
function strongest(layer, total) {
  const classes = data.scales.nr.map(({ key }) => key);
  const indices = new Uint8Array(total).fill(classes.length);
  for (const area of layer.take("area")) {
    const seen = new Set(countsOf(layer, "nr", { index: area }).map(([name]) => name));
    const found = classes.findIndex((key) => seen.has(key));
    if (found >= 0) indices[area] = found;
  }
  return indices;
}

const HATCH_PX = 5;
const HATCH_FINER = 2; // so that it is sharp on a phone's screen too
const fills = new Map();

/** Give a fill for canvas: a colour, or a pattern of diagonal lines over it, twice as large as seen. */
function fillOf(color, hatch) {
  if (!hatch) return color;
  const key = `${color} ${hatch}`;
  if (!fills.has(key)) {
    const tile = element("canvas");
    const size = HATCH_PX * HATCH_FINER;
    tile.width = tile.height = size;
    const pen = tile.getContext("2d");
    pen.fillStyle = color;
    pen.fillRect(0, 0, size, size);
    pen.strokeStyle = hatch;
    pen.lineWidth = 0.8 * HATCH_FINER;
    pen.beginPath();
    for (const start of [-size, 0, size]) {
      pen.moveTo(start - 2, size + 2);
      pen.lineTo(start + size + 2, -2);
    }
    pen.stroke();
    fills.set(key, pen.createPattern(tile, "repeat"));
  }
  return fills.get(key);
}

/** Give the colour of hatching over a class: half way to black or to white from its own. */
function hatchOver(color) {
  const parts = [1, 3, 5].map((from) => parseInt(color.slice(from, from + 2), 16));
  const [red, green, blue] = parts;
  const toward = 0.3 * red + 0.59 * green + 0.11 * blue > 120 ? 0 : 255;
  return `rgb(${parts.map((part) => Math.round((part + toward) / 2)).join(" ")})`;
}

const SWATCH_PX = [28, 18];

/** Make a swatch for a legend: a canvas, which prints as it looks. */
function swatch(color, hatch) {
  const made = element("canvas", null, "swatch");
  const [width, height] = [SWATCH_PX[0] * HATCH_FINER, SWATCH_PX[1] * HATCH_FINER];
  made.width = width;
  made.height = height;
  const pen = made.getContext("2d");
  const fill = fillOf(color, hatch);
  if (hatch) fill.setTransform(new DOMMatrix());
  pen.fillStyle = fill;
  pen.fillRect(0, 0, width, height);
  pen.strokeStyle = data.scales.border;
  pen.lineWidth = HATCH_FINER;
  pen.strokeRect(HATCH_FINER / 2, HATCH_FINER / 2, width - HATCH_FINER, height - HATCH_FINER);
  made.setAttribute("aria-hidden", "true");
  return made;
}

"use strict";
// Values: what a result says of each area, the class it falls in, and the colour of the class.
const COUNTS = new Set(["samples", "trials", "successes", "places", "occasions", "simulated"]);

/** Open the pack of a result's values; until then there is none of its layers. */
async function loadValues(result) {
  result.bytes = await openPack(result.pack.id);
}

/** Close a result's values again; its pack stays in the page. */
function forgetValues(result) {
  result.bytes = null;
  for (const layer of result.layers) layer.columns = layer.take = layer.rowOf = layer.own = null;
}

/** Give one operator's layer, ready to be asked for values. */
function layerOf(result, operator) {
  const layer = result.layers.find((each) => each.operator === operator) ?? result.layers[0];
  return readied(result, layer);
}

function readied(result, layer) {
  if (layer.columns) return layer;
  layer.columns = new Map();
  layer.take = (name) => {
    if (!layer.columns.has(name)) {
      const prefix = `${result.layers.indexOf(layer)}.`;
      layer.columns.set(name, column(result.bytes, result.pack.columns, prefix + name));
    }
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
  layer.steps = { share: result.share_steps, median: result.median_steps };
  return layer;
}

/** Give a value of an area; one without a row looks like the layer's `blank`. */
function valueOf(layer, name, area) {
  const row = layer.rowOf[area.index] ?? -1;
  if (row < 0) return layer.blank[name];
  if (name === "best") return nothing(layer.take("best")[row]);
  if (layer.own[row] < 0) return valueOf(layer.other(row), name, area);
  const value = layer.take(name)[layer.own[row]];
  if (COUNTS.has(name) || name === "verdict") return value;
  if (value < 0) return null;
  if (name.startsWith("share")) return value / layer.steps.share;
  return name.endsWith("_median") ? value / layer.steps.median : value;
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
  const styles = new Uint8Array(shapes.areas.length);
  const counts = classes.map(() => 0);
  let hatched = 0;
  for (const area of shapes.areas) {
    const index = shown.classOf(layer, area);
    const lines = isHatched(shown, layer, area) ? 1 : 0;
    styles[area.index] = 2 * index + lines;
    counts[index]++;
    hatched += lines;
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
    classOf: (layer, area) => valueOf(layer, "verdict", area),
  },
  share: {
    title: () => t("Share of places that pass"),
    unproven: true,
    classes: () => [
      ...stepClasses(data.scales.steps.share, (edge) => number(edge * 100), "%"),
      noData(t("No data")),
    ],
    classOf: (layer, area) => byEdges("share", valueOf(layer, "share", area)),
  },
  down: {
    title: () => t("Median download, Mbit/s"),
    classes: () => [
      ...stepClasses(data.scales.steps.down, (edge) => number(edge), " Mbit/s"),
      noData(t("No download measured")),
    ],
    classOf: (layer, area) => byEdges("down", valueOf(layer, "down_mbps_median", area)),
  },
  nr: {
    title: () => t("5G by strength of evidence"),
    classes: () => [
      ...data.scales.nr.map((fill) => ({ ...fill, label: t(fill.label) })),
      noData(t("No data on 5G")),
    ],
    classOf: (layer, area) => {
      const seen = new Set(countsOf(layer, "nr", area).map(([name]) => name));
      const found = data.scales.nr.findIndex((fill) => seen.has(fill.key));
      return found < 0 ? data.scales.nr.length : found;
    },
  },
  samples: {
    title: () => t("Number of samples"),
    classes: () => [
      ...stepClasses(data.scales.steps.samples, (edge) => number(edge), ""),
      noData(t("No sample")),
    ],
    classOf: (layer, area) => byEdges("samples", valueOf(layer, "samples", area) || null),
  },
};

function byEdges(name, value) {
  const { edges, colors } = data.scales.steps[name];
  return value === null ? colors.length : classByEdges(edges, value);
}

/** Tell whether an area's number rests on too little evidence to stand without hatching. */
function isHatched(shown, layer, area) {
  return Boolean(shown.unproven) && data.scales.verdict[valueOf(layer, "verdict", area)].key === "unproven";
}

const HATCH_PX = 5;
const fills = new Map();

/** Give a fill for canvas: a colour, or a pattern of diagonal lines over it. */
function fillOf(color, hatch) {
  if (!hatch) return color;
  const key = `${color} ${hatch}`;
  if (!fills.has(key)) {
    const tile = element("canvas");
    tile.width = tile.height = HATCH_PX;
    const pen = tile.getContext("2d");
    pen.fillStyle = color;
    pen.fillRect(0, 0, HATCH_PX, HATCH_PX);
    pen.strokeStyle = hatch;
    pen.lineWidth = 1;
    pen.beginPath();
    for (const start of [-HATCH_PX, 0, HATCH_PX]) {
      pen.moveTo(start - 1, HATCH_PX + 1);
      pen.lineTo(start + HATCH_PX + 1, -1);
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

/** Make a swatch for a legend: a canvas, which prints as it looks. */
function swatch(color, hatch) {
  const made = element("canvas", null, "swatch");
  made.width = 28;
  made.height = 18;
  const pen = made.getContext("2d");
  pen.fillStyle = fillOf(color, hatch);
  pen.fillRect(0, 0, 28, 18);
  pen.strokeStyle = data.scales.border;
  pen.strokeRect(0.5, 0.5, 27, 17);
  made.setAttribute("aria-hidden", "true");
  return made;
}

"use strict";
// Areas: their shapes, their values, the class each falls in, and how it is drawn.

/** Turn the steps of a ring back into [lat, lng] pairs. */
function ringOf(steps) {
  const ring = [];
  let lon = 0;
  let lat = 0;
  for (let i = 0; i < steps.length; i += 2) {
    lon += steps[i];
    lat += steps[i + 1];
    ring.push([lat / data.steps_per_degree, lon / data.steps_per_degree]);
  }
  return ring;
}

function boxOf(polygons) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [outer] of polygons) {
    for (const [lat, lon] of outer) {
      box[0] = Math.min(box[0], lon);
      box[1] = Math.min(box[1], lat);
      box[2] = Math.max(box[2], lon);
      box[3] = Math.max(box[3], lat);
    }
  }
  return box;
}

/** Give the shapes of a result, decoded when first asked for. */
function shapesOf(result) {
  const shapes = data.shapes[result.shapes];
  if (!shapes.areas) {
    shapes.areas = shapes.polygons.map((polygons, index) => {
      const rings = polygons.map((polygon) => polygon.map(ringOf));
      const parent = shapes.parent[index];
      return {
        index,
        code: shapes.codes[index],
        name: shapes.names[index],
        parent: parent < 0 ? null : shapes.parents[parent],
        rings,
        box: boxOf(rings),
      };
    });
    shapes.polygons = null;
  }
  return shapes;
}

function inRing(ring, lat, lon) {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [ya, xa] = ring[i];
    const [yb, xb] = ring[j];
    if (ya > lat !== yb > lat && lon < ((xb - xa) * (lat - ya)) / (yb - ya) + xa) inside = !inside;
  }
  return inside;
}

/** Give the area at a point, or null. */
function areaAt(shapes, lat, lon) {
  for (const area of shapes.areas) {
    const [west, south, east, north] = area.box;
    if (lon < west || lon > east || lat < south || lat > north) continue;
    const hit = area.rings.some((rings) =>
      rings.reduce((inside, ring) => inside !== inRing(ring, lat, lon), false),
    );
    if (hit) return area;
  }
  return null;
}

/** Give one operator's values; an area without a row looks like the layer's `blank`. */
function layerOf(result, operator) {
  const layer = result.layers.find((each) => each.operator === operator) ?? result.layers[0];
  if (!layer.rowOf) {
    layer.rowOf = new Map(layer.area.map((area, row) => [area, row]));
  }
  return layer;
}

function valueOf(layer, name, area) {
  const row = layer.rowOf.get(area.index);
  return row === undefined ? layer.blank[name] : layer[name][row];
}

/** Give counts by name (reasons, evidence classes) of one area, those above zero. */
function countsOf(layer, group, area) {
  const row = layer.rowOf.get(area.index);
  if (row === undefined) return [];
  return Object.entries(layer[group])
    .map(([name, counts]) => [name, counts[row]])
    .filter(([, count]) => count > 0);
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

/** The areas on the map: one canvas, one polygon an area. */
class AreaLayer {
  constructor(map) {
    this.map = map;
    this.renderer = L.canvas({ padding: 0.3 });
    this.group = L.layerGroup().addTo(map);
    this.outline = null;
    map.on("zoomend", () => this.thin());
  }

  /** Draw the shapes of a result in the classes of what is shown; give how many are drawn. */
  draw(result, layer, shown) {
    const shapes = shapesOf(result);
    if (this.shapes !== shapes) {
      this.shapes = shapes;
      this.group.clearLayers();
      for (const area of shapes.areas) {
        area.polygon ??= L.polygon(area.rings, {
          renderer: this.renderer,
          interactive: false,
          fillOpacity: 1,
          color: data.scales.border,
          opacity: 0.8,
          weight: this.weight(),
          smoothFactor: 0.6,
        });
        this.group.addLayer(area.polygon);
      }
    }
    const classes = shown.classes();
    let drawn = 0;
    for (const area of shapes.areas) {
      const { color, hatch } = classes[shown.classOf(layer, area)];
      const lines = isHatched(shown, layer, area) ? hatchOver(color) : hatch;
      area.polygon.setStyle({ fillColor: fillOf(color, lines), weight: this.weight() });
      drawn += this.group.hasLayer(area.polygon) ? 1 : 0;
    }
    return drawn;
  }

  /** Borders fade where areas are only some pixels wide, or they would hide the colours. */
  weight() {
    const [west, , east] = this.shapes.home;
    const pixels = ((east - west) / 360) * 256 * 2 ** this.map.getZoom();
    return Math.max(0.15, Math.min(1, pixels / Math.sqrt(this.shapes.areas.length) / 30));
  }

  thin() {
    if (!this.shapes) return;
    const weight = this.weight();
    for (const area of this.shapes.areas) area.polygon.setStyle({ weight });
  }

  /** Draw a line around the chosen area, or none. */
  mark(area) {
    this.outline?.remove();
    this.outline = area
      ? L.featureGroup([
          L.polygon(area.rings, { renderer: this.renderer, interactive: false, fill: false, color: "#ffffff", weight: 6 }),
          L.polygon(area.rings, { renderer: this.renderer, interactive: false, fill: false, color: "#111111", weight: 3 }),
        ]).addTo(this.map)
      : null;
  }
}

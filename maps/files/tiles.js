"use strict";
// The areas on the map: canvas tiles, painted a few at a time so that the page always answers.
const SLICE_MS = 12;
const LEAST_PX = 2; // where areas are typically narrower, what they lie in is drawn instead
const DOT_PX = 1.5; // nothing is drawn smaller: every area stays visible
const SEEN_PX = 0.4; // steps shorter than this are left out
const RING_ENDS = -(2 ** 30); // far outside every tile
const PATH_AREAS = 20; // longer paths take far longer to fill

const scaleOf = (zoom) => (TILE_PX * 2 ** zoom) / WORLD;

const AreaTiles = L.GridLayer.extend({
  initialize(owner, options) {
    L.GridLayer.prototype.initialize.call(this, { tileSize: 512, updateWhenZooming: false, keepBuffer: 1, ...options });
    this.owner = owner;
  },

  createTile(coords, done) {
    const tile = element("canvas");
    const ratio = Math.min(2, Math.max(1, Math.ceil(window.devicePixelRatio || 1)));
    const size = this.getTileSize();
    tile.width = size.x * ratio;
    tile.height = size.y * ratio;
    this.owner.later({ tile, coords, ratio, done });
    return tile;
  },
});

/**
 * What is drawn on one map: the classes of one layer, over the shapes of its result. What it is
 * doing is said in `says`; `options` are those of its tiles.
 */
class AreaLayer {
  constructor(map, { says = doing, said = ["areasDrawn", "drawnAs"], ...options } = {}) {
    this.map = map;
    this.says = says;
    this.said = said;
    this.jobs = [];
    this.running = false;
    this.tiles = new AreaTiles(this, options).addTo(map);
    this.renderer = L.canvas({ padding: 0.3 });
    this.outline = null;
    map.on("zoomend", this.rescale, this);
  }

  /** Take everything off the map again. */
  remove() {
    this.map.off("zoomend", this.rescale, this);
    this.mark(null);
    this.jobs = [];
    setBusy(this, false);
    this.tiles.remove();
  }

  /** Draw the shapes of a result in the classes of what is shown. */
  draw(shapes, classified) {
    this.shapes = shapes;
    this.classified = classified;
    this.fills = classified.classes.flatMap(({ color, hatch }) => [
      fillOf(color, hatch),
      fillOf(color, hatchOver(color)),
    ]);
    this.grouped = null;
    this.repaint();
  }

  /** Paint again what is on the map, whose tiles stay where they are. */
  repaint() {
    this.scaled = this.tileScale();
    for (const { el: tile, coords } of Object.values(this.tiles._tiles)) {
      if (!this.jobs.some((job) => job.tile === tile)) this.later({ tile, coords, ratio: tile.width / this.tiles.getTileSize().x });
    }
    // Tiles that were asked for before there was anything to draw still wait.
    if (this.jobs.length) this.begin();
    else this.settle();
  }

  /** Give how much the browser stretches tiles, which are painted for whole zooms. */
  tileScale() {
    const zoom = this.map.getZoom();
    return this.map.getZoomScale(zoom, this.tiles._tileZoom ?? Math.round(zoom));
  }

  /** Keep hatching as dense as in the legend, however tiles are stretched. */
  rescale() {
    if (this.shapes && this.scaled !== this.tileScale()) this.repaint();
    else this.settle();
  }

  later(job) {
    this.jobs.push(job);
    this.begin();
  }

  /** Begin to paint, where something waits. */
  begin() {
    setBusy(this, true);
    if (this.running) return;
    this.running = true;
    nextTurn(() => this.work());
  }

  /** Paint waiting tiles until a slice of time is used up, then let the page answer. */
  work() {
    const end = performance.now() + SLICE_MS;
    while (this.shapes && this.jobs.length && performance.now() < end) {
      const { tile, coords, ratio, done } = this.jobs.shift();
      // A view that was left before its turn came is not painted any more.
      if (tile.isConnected) this.paint(tile, coords, ratio);
      done?.(null, tile);
    }
    this.running = this.jobs.length > 0 && Boolean(this.shapes);
    if (this.running) nextTurn(() => this.work());
    else this.settle();
  }

  /** Say what is drawn, when nothing waits any more. */
  settle() {
    if (!this.shapes || this.running) return;
    const dataset = this.says;
    const { made, groups } = this.plan(this.tiles._tileZoom ?? this.map.getZoom());
    let drawn = 0;
    for (let each = 0; each < made.count; each++) {
      const rings = made.rings[each + 1] - made.rings[each];
      if (rings > 0) drawn += groups ? made.members[each].length : 1;
    }
    const [count, kind] = this.said;
    dataset[count] = String(drawn);
    dataset[kind] = groups ? "groups" : "areas";
    setBusy(this, false);
    this.onSettled?.(groups);
  }

  /** Choose what to draw at a zoom: areas, or what they lie in where they are too small. */
  plan(zoom) {
    const { shapes } = this;
    const groups = shapes.units.width * scaleOf(zoom) < LEAST_PX && shapes.hasGroups;
    if (!groups) return { made: shapes.units, styles: this.classified.styles, groups };
    this.grouped ??= groupStyles(shapes.groups().members, this.classified);
    return { made: shapes.groups(), styles: this.grouped, groups };
  }

  paint(tile, coords, ratio) {
    const pen = tile.getContext("2d", { willReadFrequently: true });
    const scale = scaleOf(coords.z) * ratio;
    const [left, top] = [coords.x * tile.width, coords.y * tile.height];
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, tile.width, tile.height);
    const { made, styles, groups } = this.plan(coords.z);
    const thin = this.shapes.thin(coords.z);
    // Hatching goes on from tile to tile, so it begins where the map does and not where a tile does.
    const stretch = ratio / this.tileScale();
    const period = HATCH_PX * stretch;
    const hatching = new DOMMatrix().translate(-(left % period), -(top % period)).scale(stretch / HATCH_FINER);
    for (const fill of this.fills) if (fill instanceof CanvasPattern) fill.setTransform(hatching);
    // What goes on east of the world's edge is drawn on its western tiles.
    const shifts = this.shapes.goesOn ? [0, WORLD] : [0];
    // What does not change with the classes is found once a tile.
    if (tile.holds?.made !== made) {
      const views = shifts.map((shift) => ({ made, thin, scale, left: left + shift * scale, top }));
      tile.holds = { made, views: views.map((view) => this.traced({ ...view, ...this.seenBy(view, tile), borders: null })) };
    }
    for (const view of tile.holds.views) {
      const byStyle = this.fills.map(() => []);
      view.areas.forEach((each, place) => byStyle[styles[each]].push(place));
      byStyle.forEach((places, style) => this.fill(pen, view, places, this.fills[style]));
    }
    this.close(pen, tile, ratio);
    for (const view of tile.holds.views) {
      view.borders ??= this.borderPaths(view);
      this.strokeBorders(pen, view, groups);
      this.dots(pen, view, styles);
    }
  }

  /** Choose what a tile shows: areas, and those that are too small to be more than dots. */
  seenBy({ made, scale, left, top }, tile) {
    const margin = 3 / scale;
    const [west, north] = [left / scale - margin, top / scale - margin];
    const [east, south] = [(left + tile.width) / scale + margin, (top + tile.height) / scale + margin];
    const [areas, dots] = [[], []];
    for (let each = 0, at = 0; each < made.count; each++, at += 4) {
      const { box } = made;
      if (box[at] > east || box[at + 2] < west || box[at + 1] > south || box[at + 3] < north) continue;
      const small = Math.max(box[at + 2] - box[at], box[at + 3] - box[at + 1]) * scale < DOT_PX;
      (small ? dots : areas).push(each);
    }
    return { areas, dots };
  }

  dots(pen, { made, scale, left, top, dots }, styles) {
    for (const each of dots) {
      const { box } = made;
      const x = ((box[4 * each] + box[4 * each + 2]) / 2) * scale - left;
      const y = ((box[4 * each + 1] + box[4 * each + 3]) / 2) * scale - top;
      pen.fillStyle = this.fills[styles[each]];
      pen.fillRect(x - DOT_PX / 2, y - DOT_PX / 2, DOT_PX, DOT_PX);
    }
  }

  /** Fill areas of one style, many in one path: rings turn one way, holes the other. */
  fill(pen, { corners, starts }, places, style) {
    pen.fillStyle = style;
    for (let from = 0; from < places.length; from += PATH_AREAS) {
      pen.beginPath();
      const to = Math.min(places.length, from + PATH_AREAS);
      for (let at = from; at < to; at++) {
        const end = starts[places[at] + 1];
        let begun = false;
        for (let i = starts[places[at]]; i < end; i += 2) {
          if (corners[i] === RING_ENDS) {
            pen.closePath();
            begun = false;
          } else if (begun) pen.lineTo(corners[i], corners[i + 1]);
          else {
            pen.moveTo(corners[i], corners[i + 1]);
            begun = true;
          }
        }
      }
      pen.fill("nonzero");
    }
  }

  /**
   * Let colours run a pixel wide under what is transparent: neighbours' edges are both half
   * transparent, and where borders do not match, slivers lie between them.
   */
  close(pen, tile, ratio) {
    pen.globalCompositeOperation = "destination-over";
    // Where every border is shared, only its soft edge is to be closed: one way is enough.
    const ways = this.shapes.hasSingle ? [[ratio, 0], [-ratio, 0], [0, ratio], [0, -ratio]] : [[ratio, ratio]];
    for (const [x, y] of ways) pen.drawImage(tile, x, y);
    pen.globalCompositeOperation = "source-over";
  }

  /** Put the corners of what a tile shows behind each other, in its own pixels. */
  traced(view) {
    const starts = new Uint32Array(view.areas.length + 1);
    let count = 0;
    view.areas.forEach((each, place) => {
      count = this.trace(view, each, count);
      starts[place + 1] = count;
    });
    return { ...view, starts, corners: scratch.slice(0, count) };
  }

  trace({ made, thin, scale, left, top }, each, count) {
    const { x, y } = this.shapes;
    for (let ring = made.rings[each]; ring < made.rings[each + 1]; ring++) {
      let beforeX = Infinity;
      let beforeY = Infinity;
      for (let at = made.starts[ring]; at < made.starts[ring + 1]; at++) {
        const ref = made.refs[at];
        const first = thin.starts[ref >> 1];
        const last = thin.starts[(ref >> 1) + 1] - 1;
        if (count + 2 * (last - first) + 8 > scratch.length) grow();
        const step = ref & 1 ? -1 : 1;
        const end = ref & 1 ? first - 1 : last + 1;
        for (let i = ref & 1 ? last : first; i !== end; i += step) {
          const point = thin.kept[i];
          const px = x[point] * scale - left;
          const py = y[point] * scale - top;
          // Arcs are often shorter than anything that could be seen.
          if (Math.abs(px - beforeX) < SEEN_PX && Math.abs(py - beforeY) < SEEN_PX) continue;
          scratch[count++] = beforeX = px;
          scratch[count++] = beforeY = py;
        }
      }
      scratch[count++] = RING_ENDS;
      scratch[count++] = RING_ENDS;
    }
    return count;
  }

  /** Give a path of each level of border, with each border once. */
  borderPaths({ made, thin, scale, left, top, areas }) {
    const { shapes } = this;
    const { x, y } = shapes;
    const drawn = (shapes.drawnArcs ??= new Int32Array(shapes.levels.length));
    const turn = (shapes.turn = (shapes.turn ?? 0) + 1);
    const paths = [new Path2D(), new Path2D(), new Path2D()];
    for (const each of areas) {
      for (let at = made.starts[made.rings[each]]; at < made.starts[made.rings[each + 1]]; at++) {
        const arc = made.refs[at] >> 1;
        if (drawn[arc] === turn) continue;
        drawn[arc] = turn;
        const path = paths[shapes.levels[arc]];
        for (let i = thin.starts[arc]; i < thin.starts[arc + 1]; i++) {
          const px = x[thin.kept[i]] * scale - left;
          const py = y[thin.kept[i]] * scale - top;
          if (i === thin.starts[arc]) path.moveTo(px, py);
          else path.lineTo(px, py);
        }
      }
    }
    return paths;
  }

  /** Draw borders; those between areas fade where areas are only some pixels wide. */
  strokeBorders(pen, { scale, borders }, groups) {
    const { shapes } = this;
    const between = widthOf(shapes.units.width * scale);
    const around = shapes.groupedByParent ? Math.max(1.8 * between, widthOf(shapes.groups().width * scale)) : between;
    // A coast is no stronger than what lies inside: where shapes are approximate, gaps between
    // areas look like coasts, and the sea's own colour says where the land ends.
    const coast = Math.max(0.3, between);
    pen.strokeStyle = data.scales.border;
    pen.lineJoin = "round";
    [groups ? 0 : between, groups && !shapes.groupedByParent ? 0 : around, coast].forEach((width, level) => {
      if (!width) return;
      pen.globalAlpha = Math.min(0.85, width);
      pen.lineWidth = Math.max(0.5, width);
      pen.stroke(borders[level]);
    });
    pen.globalAlpha = 1;
  }

  /** Draw a line around the chosen area, or none. */
  mark(area) {
    this.outline?.remove();
    const line = (color, weight) =>
      L.polygon(area.rings, { renderer: this.renderer, interactive: false, fill: false, color, weight });
    this.outline = area ? L.featureGroup([line("#ffffff", 4.5), line("#111111", 2)]).addTo(this.map) : null;
  }
}

// Where corners are put together; what is kept of them is cut to size.
let scratch = new Float32Array(1 << 16);

function grow() {
  const larger = new Float32Array(2 * scratch.length);
  larger.set(scratch);
  scratch = larger;
}

const busyWith = new Set();

/** Say that something is unpacked or painted, or no longer. */
function setBusy(what, busy) {
  if (busy) busyWith.add(what);
  else busyWith.delete(what);
  if (busyWith.size) doing.busy = "true";
  else delete doing.busy;
}

/** Give how wide the borders of areas of a width in pixels are drawn; none where they are tiny. */
function widthOf(pixels) {
  return pixels < 3 ? 0 : Math.max(0.15, Math.min(1, pixels / 30));
}

/** Give each group the style that most of its areas have; of equals, the one nearer to no data. */
function groupStyles(members, { classes, styles }) {
  const counts = new Int32Array(2 * classes.length);
  return Uint8Array.from(members, (inside) => {
    counts.fill(0);
    for (const index of inside) counts[styles[index]]++;
    let most = 0;
    for (let style = 1; style < counts.length; style++) if (counts[style] >= counts[most]) most = style;
    return most;
  });
}

const turns = new MessageChannel();
const waitingTurns = [];
turns.port1.onmessage = () => waitingTurns.shift()();

/** Do something after the page had its turn; unlike a timeout, without waiting. */
function nextTurn(work) {
  waitingTurns.push(work);
  turns.port2.postMessage(null);
}

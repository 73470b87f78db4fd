"use strict";
// Shapes: areas as rings of shared arcs, in units of the Mercator square; groups of areas, which
// are drawn where areas are smaller than a pixel; and which area a point lies in.
const WORLD = 2 ** 30; // units across the world: a sixteenth of a pixel at zoom 18
const TILE_PX = 256;
const BEYOND = 2 ** 31 - 1; // areas across the antimeridian go on east of the world's edge

const lonToX = (lon) => (lon / 360 + 0.5) * WORLD;
const xToLon = (x) => (x / WORLD - 0.5) * 360;
const latToY = (lat) => {
  const sine = Math.sin((Math.max(-85.0511, Math.min(85.0511, lat)) * Math.PI) / 180);
  return (0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * WORLD;
};
const yToLat = (y) => (Math.atan(Math.sinh(Math.PI * (1 - (2 * y) / WORLD))) * 180) / Math.PI;

/** One area, by its place among the shapes. */
class Area {
  constructor(shapes, index) {
    this.shapes = shapes;
    this.index = index;
  }

  get code() {
    return this.shapes.codes[this.index];
  }

  get name() {
    return this.shapes.names[this.index];
  }

  get parent() {
    const parent = this.shapes.parent[this.index];
    return parent < 0 ? null : this.shapes.parents[parent];
  }

  /** West, south, east, north. */
  get box() {
    const [west, north, east, south] = this.shapes.units.box.subarray(4 * this.index, 4 * this.index + 4);
    return [xToLon(west), yToLat(south), xToLon(east), yToLat(north)];
  }

  /** Rings as [lat, lng] pairs. */
  get rings() {
    const { units } = this.shapes;
    const rings = [];
    for (let ring = units.rings[this.index]; ring < units.rings[this.index + 1]; ring++) {
      rings.push(this.shapes.ringPoints(units, ring));
    }
    return rings;
  }
}

/** The shapes of a result's areas. `units` are the areas, `groups()` what they lie in. */
class Shapes {
  constructor(head, bytes) {
    const take = (name) => column(bytes, head.pack.columns, name);
    this.codes = take("codes");
    this.names = take("names");
    if (!this.names.length) this.names = this.codes;
    this.parents = take("parents");
    this.parent = take("parent");
    this.group = summed(take("group"));
    this.levels = take("levels");
    this.home = head.home;
    this.whole = head.whole;
    this.tolerance_m = head.tolerance_m;
    this.groupedByParent = head.grouped_by_parent;
    this.areas = this.codes.map((_, index) => new Area(this, index));
    this.arcStarts = startsOf(take("arc_points"));
    this.project(summed(take("lon")), summed(take("lat")), head.steps_per_degree);
    // How far an arc lies behind the newest: none is the next new one, which runs forwards.
    const refs = take("arcs");
    const backwards = take("backwards");
    for (let i = 0, next = 0; i < refs.length; i++) {
      const fresh = refs[i] === 0;
      refs[i] = 2 * (fresh ? next++ : next - refs[i]) + (backwards[i] ^ (fresh ? 0 : 1));
    }
    const units = { count: this.codes.length, rings: startsOf(take("area_rings")), starts: startsOf(take("ring_refs")), refs };
    this.units = this.boxed(units);
    this.single = this.singleArcs();
    this.hasSingle = this.single.includes(1);
    this.thinned = new Map();
    this.groupCount = this.group.reduce((most, each) => Math.max(most, each), -1) + 1;
    this.hasGroups = this.groupCount < this.units.count;
    this.goesOn = this.x.some((x) => x > WORLD);
  }

  /** Turn whole steps of degrees into Mercator units, and remember where arcs start and end. */
  project(lon, lat, perDegree) {
    const points = lon.length;
    this.x = new Int32Array(points);
    this.y = new Int32Array(points);
    for (let i = 0; i < points; i++) {
      this.x[i] = Math.round(lonToX(lon[i] / perDegree));
      this.y[i] = Math.round(latToY(lat[i] / perDegree));
    }
  }

  /** Number the places where borders between groups begin and end: two a arc, -1 inside groups. */
  numberEnds() {
    const { x, y, arcStarts, levels } = this;
    const ends = new Int32Array(2 * levels.length).fill(-1);
    let size = 1024;
    while (size < 4 * levels.length) size *= 2;
    const table = new Int32Array(size).fill(-1);
    const points = [];
    for (let end = 0; end < ends.length; end++) {
      const arc = end >> 1;
      if (!levels[arc]) continue;
      const at = end & 1 ? arcStarts[arc + 1] - 1 : arcStarts[arc];
      const mixed = Math.imul(x[at], 0x9e3779b1) ^ Math.imul(y[at], 0x85ebca6b);
      let slot = (mixed ^ (mixed >>> 15)) & (size - 1);
      while (table[slot] >= 0 && (x[points[table[slot]]] !== x[at] || y[points[table[slot]]] !== y[at])) {
        slot = (slot + 1) & (size - 1);
      }
      if (table[slot] < 0) table[slot] = points.push(at) - 1;
      ends[end] = table[slot];
    }
    this.ends = ends;
    this.waiting = new Int32Array(points.length).fill(-1);
    this.after = new Int32Array(ends.length).fill(-1);
  }

  boxArcs() {
    const { x, y, arcStarts } = this;
    const boxes = new Int32Array(4 * (arcStarts.length - 1));
    for (let arc = 0, at = 0; arc + 1 < arcStarts.length; arc++, at += 4) {
      let west = BEYOND;
      let north = BEYOND;
      let east = 0;
      let south = 0;
      for (let i = arcStarts[arc]; i < arcStarts[arc + 1]; i++) {
        if (x[i] < west) west = x[i];
        if (x[i] > east) east = x[i];
        if (y[i] < north) north = y[i];
        if (y[i] > south) south = y[i];
      }
      boxes[at] = west;
      boxes[at + 1] = north;
      boxes[at + 2] = east;
      boxes[at + 3] = south;
    }
    return boxes;
  }

  /** Add to units or groups the box of each: west, north, east, south in Mercator units. */
  boxed(made) {
    this.arcBox ??= this.boxArcs();
    const { arcBox } = this;
    const { rings, starts, refs } = made;
    const box = new Int32Array(4 * made.count);
    for (let each = 0, to = 0; each < made.count; each++, to += 4) {
      let west = BEYOND;
      let north = BEYOND;
      let east = 0;
      let south = 0;
      for (let ref = starts[rings[each]]; ref < starts[rings[each + 1]]; ref++) {
        const at = 4 * (refs[ref] >> 1);
        if (arcBox[at] < west) west = arcBox[at];
        if (arcBox[at + 1] < north) north = arcBox[at + 1];
        if (arcBox[at + 2] > east) east = arcBox[at + 2];
        if (arcBox[at + 3] > south) south = arcBox[at + 3];
      }
      box[to] = west;
      box[to + 1] = north;
      box[to + 2] = east;
      box[to + 3] = south;
    }
    made.box = box;
    made.width = typicalWidth(box);
    return made;
  }

  /** Tell which arcs between areas only one of them has: neighbours that do not share a border. */
  singleArcs() {
    const uses = new Uint8Array(this.levels.length);
    for (const ref of this.units.refs) uses[ref >> 1]++;
    return uses.map((used, arc) => (used === 1 && this.levels[arc] < 2 ? 1 : 0));
  }

  ringPoints(made, ring) {
    const points = [];
    for (let at = made.starts[ring]; at < made.starts[ring + 1]; at++) {
      const [from, to, step] = this.run(made.refs[at]);
      for (let i = from; i !== to; i += step) points.push([yToLat(this.y[i]), xToLon(this.x[i])]);
    }
    return points;
  }

  /** Give where the points of a reference begin and end; the last one opens the next arc. */
  run(ref) {
    const first = this.arcStarts[ref >> 1];
    const last = this.arcStarts[(ref >> 1) + 1] - 1;
    return ref & 1 ? [last, first, -1] : [first, last, 1];
  }

  /** Give the area at a point, or null, whichever copy of the world it is on. */
  at(lat, lon) {
    const around = lon - 360 * Math.floor((lon + 180) / 360);
    return this.atExactly(lat, around) ?? (this.goesOn ? this.atExactly(lat, around + 360) : null);
  }

  atExactly(lat, lon) {
    const x = lonToX(lon);
    const y = latToY(lat);
    const { box, count } = this.units;
    for (let index = 0; index < count; index++) {
      const at = 4 * index;
      if (x < box[at] || x > box[at + 2] || y < box[at + 1] || y > box[at + 3]) continue;
      if (this.holds(index, x, y)) return this.areas[index];
    }
    return null;
  }

  holds(index, x, y) {
    const { rings, starts, refs } = this.units;
    let inside = false;
    for (let at = starts[rings[index]]; at < starts[rings[index + 1]]; at++) {
      const arc = refs[at] >> 1;
      for (let i = this.arcStarts[arc] + 1; i < this.arcStarts[arc + 1]; i++) {
        const ya = this.y[i - 1];
        const yb = this.y[i];
        if (ya > y === yb > y) continue;
        if (x < ((this.x[i] - this.x[i - 1]) * (y - ya)) / (yb - ya) + this.x[i - 1]) inside = !inside;
      }
    }
    return inside;
  }

  /** Give the points of every arc that matter at a zoom: at least most of a pixel apart. */
  thin(zoom) {
    if (this.thinned.has(zoom)) return this.thinned.get(zoom);
    const apart = (0.8 * WORLD) / (TILE_PX * 2 ** zoom);
    const kept = new Int32Array(this.x.length);
    const starts = new Int32Array(this.arcStarts.length);
    let count = 0;
    for (let arc = 0; arc + 1 < this.arcStarts.length; arc++) {
      starts[arc] = count;
      const last = this.arcStarts[arc + 1] - 1;
      let before = this.arcStarts[arc];
      kept[count++] = before;
      for (let i = before + 1; i < last; i++) {
        if (Math.abs(this.x[i] - this.x[before]) < apart && Math.abs(this.y[i] - this.y[before]) < apart) continue;
        kept[count++] = i;
        before = i;
      }
      if (last > this.arcStarts[arc]) kept[count++] = last;
    }
    starts[starts.length - 1] = count;
    if (this.thinned.size > 2) this.thinned.delete(this.thinned.keys().next().value);
    const thin = { starts, kept: kept.slice(0, count) };
    this.thinned.set(zoom, thin);
    return thin;
  }

  /** Give the groups: the members of each, and outlines without the borders inside. */
  groups() {
    if (this.grouped) return this.grouped;
    this.numberEnds();
    const count = this.groupCount;
    const members = Array.from({ length: count }, () => []);
    for (let index = 0; index < this.group.length; index++) members[this.group[index]].push(index);
    const rings = new Int32Array(count + 1);
    const [sizes, refs] = [[], []];
    members.forEach((inside, group) => {
      for (const ring of this.outline(inside)) {
        sizes.push(ring.length);
        for (const ref of ring) refs.push(ref);
      }
      rings[group + 1] = sizes.length;
    });
    this.grouped = this.boxed({ count, rings, starts: startsOf(sizes), refs: Int32Array.from(refs), members });
    return this.grouped;
  }

  /** Join the arcs around some areas to rings; where borders do not match, give all their rings. */
  outline(inside) {
    const { rings, starts, refs } = this.units;
    const { ends, waiting, after, levels, single } = this;
    const around = [];
    let matched = inside.length > 1;
    for (const index of inside) {
      for (let at = starts[rings[index]]; at < starts[rings[index + 1]]; at++) {
        const ref = refs[at];
        if (levels[ref >> 1]) around.push(ref);
        else if (single[ref >> 1]) matched = false;
      }
    }
    return (matched && this.joined(around, ends, waiting, after)) || this.allRings(inside);
  }

  allRings(inside) {
    const { rings, starts, refs } = this.units;
    const all = [];
    for (const index of inside) {
      for (let ring = rings[index]; ring < rings[index + 1]; ring++) {
        all.push(refs.subarray(starts[ring], starts[ring + 1]));
      }
    }
    return all;
  }

  /** Join arcs to rings, or give null where one does not close. */
  joined(around, ends, waiting, after) {
    for (const ref of around) {
      after[ref] = waiting[ends[ref]];
      waiting[ends[ref]] = ref;
    }
    const take = (node) => {
      const ref = waiting[node];
      if (ref >= 0) waiting[node] = after[ref];
      return ref;
    };
    const rings = [];
    let whole = true;
    for (const first of around) {
      const begun = ends[first];
      for (let ref = take(begun); ref >= 0; ref = take(begun)) {
        const ring = [];
        for (; ref >= 0; ref = take(ends[ref ^ 1])) {
          ring.push(ref);
          if (ends[ref ^ 1] === begun) break;
        }
        whole &&= ref >= 0;
        rings.push(ring);
      }
    }
    return whole ? rings : null;
  }
}

function typicalWidth(box) {
  const widths = Float64Array.from({ length: box.length / 4 }, (_, i) =>
    Math.sqrt((box[4 * i + 2] - box[4 * i]) * (box[4 * i + 3] - box[4 * i + 1])),
  );
  return widths.sort()[widths.length >> 1] || 1;
}

/** Give the shapes of a result, unpacked when first asked for. */
async function loadShapes(result) {
  const head = data.shapes[result.shapes];
  head.loading ??= openPack(head.pack.id).then((bytes) => {
    opened.delete(head.pack.id);
    return new Shapes(head, bytes);
  });
  return head.loading;
}

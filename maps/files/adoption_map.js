"use strict";
// The provinces: one outline each, coloured by its share, chosen by mouse or keyboard.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 480;

function svg(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Draws `map` (shapes by code) and calls `onChoose` with a code, or null. */
class ProvinceMap {
  constructor(map, onChoose) {
    this.map = map;
    this.onChoose = onChoose;
    this.chosen = null;
    this.at = 0;
    const [west, south, east, north] = map.extent;
    // Degrees of longitude are narrower than those of latitude: keep shapes as they look.
    const narrow = Math.cos((((south + north) / 2) * Math.PI) / 180);
    const scale = WIDTH / ((east - west) * narrow);
    this.x = (lon) => ((lon - west) * narrow * scale).toFixed(1);
    this.y = (lat) => ((north - lat) * scale).toFixed(1);
    const frame = document.getElementById("map");
    frame.setAttribute("viewBox", `-4 -4 ${WIDTH + 8} ${Math.ceil((north - south) * scale) + 8}`);
    // From north to south, so that the arrow keys walk the country.
    this.paths = map.codes.map((code, index) => this.path(code, index));
    const height = (path) => Number(path.dataset.top);
    this.walk = [...this.paths].sort((a, b) => height(a) - height(b));
    frame.append(...this.walk);
    frame.addEventListener("keydown", (event) => this.key(event));
  }

  path(code, index) {
    let top = Infinity;
    const rings = this.map.rings[index].map((steps) => {
      let [lon, lat] = [0, 0];
      const points = [];
      for (let i = 0; i < steps.length; i += 2) {
        lon += steps[i];
        lat += steps[i + 1];
        const degrees = [lon, lat].map((value) => value / this.map.steps_per_degree);
        points.push(`${this.x(degrees[0])} ${this.y(degrees[1])}`);
        top = Math.min(top, Number(this.y(degrees[1])));
      }
      return `M${points.join("L")}Z`;
    });
    const made = svg("path", { d: rings.join(""), "fill-rule": "evenodd", role: "button" });
    made.dataset.code = code;
    made.dataset.top = top;
    made.append(svg("title"));
    made.addEventListener("click", () => this.choose(this.chosen === code ? null : code));
    made.addEventListener("focus", () => {
      this.at = this.walk.indexOf(made);
      this.paint();
    });
    made.addEventListener("blur", () => this.paint());
    return made;
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (step) {
      this.at = (this.at + step + this.walk.length) % this.walk.length;
      this.paint();
      this.walk[this.at].focus();
    } else if (event.key === "Enter" || event.key === " ") {
      const { code } = this.walk[this.at].dataset;
      this.choose(this.chosen === code ? null : code);
    } else return;
    event.preventDefault();
  }

  choose(code) {
    this.chosen = code;
    this.paint();
    this.onChoose(code);
  }

  colour(share) {
    const { edges, colors, none } = this.map.scale;
    if (share === undefined || share === null) return none;
    return colors[edges.filter((edge) => share >= edge).length];
  }

  /** Say and colour every province again; `rows` are its groups by code. */
  show(rows, describe) {
    for (const path of this.paths) {
      const { code } = path.dataset;
      const row = rows.get(code);
      const text = describe(this.map.names[this.map.codes.indexOf(code)], row);
      path.setAttribute("fill", this.colour(row?.share));
      path.setAttribute("aria-label", text);
      path.firstChild.textContent = text;
    }
    this.paint();
  }

  paint() {
    for (const [index, path] of this.walk.entries()) {
      const focused = path === document.activeElement;
      const chosen = path.dataset.code === this.chosen;
      path.setAttribute("tabindex", index === this.at ? 0 : -1);
      path.setAttribute("aria-pressed", chosen);
      path.setAttribute("stroke", focused ? "#0b57a4" : chosen ? "#111111" : this.map.scale.border);
      path.setAttribute("stroke-width", focused || chosen ? 4 : 0.8);
    }
  }

  /** Give the classes of the legend: a colour and the edges of its shares. */
  classes() {
    const { edges, colors } = this.map.scale;
    return colors.map((color, index) => [color, edges[index - 1] ?? null, edges[index] ?? null]);
  }
}

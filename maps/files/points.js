"use strict";
// Sample points: a circle where an attempt succeeded, a cross where it failed; dark and solid
// where it was measured, hollow and violet where it was simulated.
const MEASURED = "#111111";
const SIMULATED = "#b5179e";

function drawPoint(pen, x, y, ok, simulated) {
  const size = simulated ? 3.4 : 4.4;
  for (const halo of [true, false]) {
    pen.strokeStyle = halo ? "#ffffff" : simulated ? SIMULATED : MEASURED;
    pen.lineWidth = (simulated ? 1.4 : 2.2) + (halo ? 2 : 0);
    pen.beginPath();
    if (ok) pen.arc(x, y, size, 0, 2 * Math.PI);
    else {
      pen.moveTo(x - size, y - size);
      pen.lineTo(x + size, y + size);
      pen.moveTo(x + size, y - size);
      pen.lineTo(x - size, y + size);
    }
    if (ok && !simulated && !halo) {
      pen.fillStyle = MEASURED;
      pen.fill();
    }
    pen.stroke();
  }
}

const PointLayer = L.GridLayer.extend({
  initialize(points) {
    L.GridLayer.prototype.initialize.call(this, { pane: "points", tileSize: 512, updateWhenZooming: false });
    this.lat = [];
    this.lon = [];
    this.kind = points.kind;
    let lon = 0;
    let lat = 0;
    for (let i = 0; i < points.steps.length; i += 2) {
      lon += points.steps[i];
      lat += points.steps[i + 1];
      this.lon.push(lon / data.steps_per_degree);
      this.lat.push(lat / data.steps_per_degree);
    }
  },

  createTile(coords) {
    const tile = element("canvas");
    const ratio = Math.max(1, Math.ceil(window.devicePixelRatio || 1));
    const { x: width, y: height } = this.getTileSize();
    tile.width = width * ratio;
    tile.height = height * ratio;
    const pen = tile.getContext("2d");
    pen.scale(ratio, ratio);
    const margin = 8;
    // Measured points last, so that no simulated one hides them.
    for (const simulated of [true, false]) {
      for (let i = 0; i < this.kind.length; i++) {
        if (Boolean(this.kind[i] & 2) !== simulated) continue;
        const at = this._map.project([this.lat[i], this.lon[i]], coords.z);
        const x = at.x - coords.x * width;
        const y = at.y - coords.y * height;
        if (x < -margin || y < -margin || x > width + margin || y > height + margin) continue;
        drawPoint(pen, x, y, Boolean(this.kind[i] & 1), simulated);
      }
    }
    return tile;
  },
});

/** Fill the points' part of the legend: how many of how many are shown, and what marks mean. */
function sayPoints() {
  const points = data.points;
  const counts = [0, 0, 0, 0];
  for (const kind of points.kind) counts[kind]++;
  const lines = [
    [counts[0] + counts[1], points.measured_total, t("measured: {shown} of {total} shown")],
    [counts[2] + counts[3], points.simulated_total, t("simulated: {shown} of {total} shown")],
  ];
  document.getElementById("points-count").textContent = lines
    .filter(([, total]) => total > 0)
    .map(([shown, total, text]) =>
      text.replace("{shown}", number(shown)).replace("{total}", number(total)),
    )
    .join("; ");
  const labels = [
    t("measured, failed"),
    t("measured, succeeded"),
    t("simulated, failed"),
    t("simulated, succeeded"),
  ];
  const list = document.getElementById("points-legend");
  list.replaceChildren();
  for (const kind of [1, 0, 3, 2]) {
    if (!counts[kind]) continue;
    const mark = element("canvas", null, "swatch");
    mark.width = 28;
    mark.height = 18;
    mark.setAttribute("aria-hidden", "true");
    drawPoint(mark.getContext("2d"), 14, 9, Boolean(kind & 1), Boolean(kind & 2));
    const item = element("li");
    item.append(mark, element("span", labels[kind]), element("b", number(counts[kind])));
    list.append(item);
  }
}

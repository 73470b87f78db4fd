"use strict";
// Many sample points at once: where marks would lie on top of each other, squares say how many
// there are. Measured ones are grey to black; squares with nothing but simulated ones are violet.
const HEAT_PX = 16;
const HEAT_CROWDED = 3; // points a square, on average over squares that have any
const HEAT_EDGES = [1, 3, 10, 30, 100];
const HEAT_COLORS = [
  ["#d9d9d9", "#a6a6a6", "#737373", "#404040", "#0d0d0d"],
  ["#f6d9f1", "#e8a3dc", "#d35cbd", "#b5179e", "#6d0a5f"],
];

/** Count points by square at a zoom: measured and simulated ones apart. */
function heatAt(layer, zoom) {
  layer.heats ??= new Map();
  if (layer.heats.has(zoom)) return layer.heats.get(zoom);
  const squares = new Map();
  const side = (TILE_PX * 2 ** zoom) / HEAT_PX;
  for (let i = 0; i < layer.kind.length; i++) {
    const x = Math.floor((lonToX(layer.lon[i]) / WORLD) * side);
    const y = Math.floor((latToY(layer.lat[i]) / WORLD) * side);
    const key = y * side + x;
    const square = squares.get(key) ?? { x, y, counts: [0, 0] };
    square.counts[layer.kind[i] >> 1]++;
    squares.set(key, square);
  }
  const crowded = layer.kind.length > HEAT_CROWDED * squares.size;
  layer.heats.set(zoom, crowded ? [...squares.values()] : null);
  return layer.heats.get(zoom);
}

/** Give how a square is drawn: 0 for measured or 1 for simulated points only, and its class. */
function heatClass({ counts: [measured, simulated] }) {
  const count = measured || simulated;
  return [measured ? 0 : 1, HEAT_EDGES.findLastIndex((edge) => count >= edge)];
}

/** Draw a square so that it stands out on every colour: white around its edge, the edge around it. */
function drawHeat(pen, x, y, size, [kind, step]) {
  const colors = ["#ffffff", kind ? SIMULATED : MEASURED, HEAT_COLORS[kind][step]];
  colors.forEach((color, inset) => {
    pen.fillStyle = color;
    pen.fillRect(x + inset, y + inset, size - 2 * inset, size - 2 * inset);
  });
}

function paintHeat(pen, squares, coords, tileSize) {
  for (const square of squares) {
    const x = square.x * HEAT_PX - coords.x * tileSize.x;
    const y = square.y * HEAT_PX - coords.y * tileSize.y;
    if (x < 0 || y < 0 || x >= tileSize.x || y >= tileSize.y) continue;
    drawHeat(pen, x + 1, y + 1, HEAT_PX - 2, heatClass(square));
  }
}

/** Fill the legend of the squares: how many points a colour stands for, and how many squares. */
function sayHeat(squares, list) {
  const found = new Map();
  for (const square of squares) {
    const key = heatClass(square).join();
    found.set(key, (found.get(key) ?? 0) + 1);
  }
  const texts = [t("measured, {count} a square"), t("only simulated, {count} a square")];
  HEAT_COLORS.forEach((colors, kind) => {
    colors.forEach((_, step) => {
      const squaresHere = found.get(`${kind},${step}`);
      if (!squaresHere) return;
      const [low, next] = [HEAT_EDGES[step], HEAT_EDGES[step + 1]];
      const count = next ? `${number(low)}–${number(next - 1)}` : t("{low} or more", { low: number(low) });
      const mark = element("canvas", null, "swatch");
      mark.width = 28;
      mark.height = 18;
      mark.setAttribute("aria-hidden", "true");
      drawHeat(mark.getContext("2d"), 6, 1, HEAT_PX, [kind, step]);
      const item = element("li");
      item.append(mark, element("span", texts[kind].replace("{count}", count)), element("b", number(squaresHere)));
      list.append(item);
    });
  });
}

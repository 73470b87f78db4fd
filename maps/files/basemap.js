"use strict";
// The basemap, where whoever built the page asked for one: tiles that stand in the page, lie beside
// it on its site, or come from the one server that the page names. It lies beneath the areas, in
// grey, and areas hide so much of it that every class keeps its colour.
const basemap = data.basemap ?? null;
const basemapLayers = new Map();
let basemapIndex = null; // of tiles that are ours: which there are, and where
let basemapArrived = 0;
let basemapFailed = false;
let basemapPlain = false; // tiles come without leave to copy them into a picture

const isBasemapOn = () => Boolean(basemap) && at("basemap-on").checked;

/** Give what the address keeps of the basemap. */
const beneathChosen = () => (basemap ? { basemap: String(Number(isBasemapOn())) } : {});

/** Read which tiles there are, once. */
async function loadBasemap() {
  if (basemapIndex || basemap.kind === "online") return;
  if (basemap.kind === "files") await fetchScript(basemap.index);
  const bytes = await inflate(packText("basemap-index") ?? arriving.get("basemap-index"));
  const take = (name) => column(bytes, basemap.columns, name);
  const [zoom, x, y] = ["zoom", "x", "y"].map((name) => summed(take(name)));
  const picture = take("picture");
  const found = new Map();
  for (let i = 0; i < zoom.length; i++) found.set(`${zoom[i]}/${x[i]}/${y[i]}`, picture[i]);
  const packed = basemap.kind === "packed";
  basemapIndex = {
    found,
    kind: take("kind"),
    starts: packed ? startsOf(take("chars")) : null,
    pictures: packed ? packText("basemap-pictures") : null,
  };
}

/** Give the address of a tile, or null where there is none. */
function tileAddress(zoom, x, y) {
  if (basemap.kind === "online") {
    const values = { z: zoom, x, y, "-y": 2 ** zoom - 1 - y };
    return basemap.url.replace(/\{(-?\w)\}/g, (_, name) => values[name]);
  }
  const picture = basemapIndex.found.get(`${zoom}/${x}/${y}`);
  if (picture === undefined) return null;
  const kind = basemapIndex.kind[picture];
  if (basemap.kind === "files") return `${site.root}${basemap.folder}${zoom}/${x}/${y}.${basemap.endings[kind]}`;
  const { starts, pictures } = basemapIndex;
  return `data:${basemap.types[kind]};base64,${pictures.slice(starts[picture], starts[picture + 1])}`;
}

const BasemapTiles = L.GridLayer.extend({
  initialize() {
    // A larger tile has the number of the zoom before.
    this.coarser = Math.log2(basemap.tile_px / TILE_PX);
    const [first, last] = basemap.zooms.map((zoom) => zoom + this.coarser);
    const native = { minNativeZoom: first, maxNativeZoom: last, minZoom: Math.max(0, first - 3) };
    L.GridLayer.prototype.initialize.call(this, { pane: "basemap", tileSize: basemap.tile_px, updateWhenZooming: false, keepBuffer: 1, ...native });
    // A server may never answer; what is ours is there at once.
    if (basemap.kind === "online") return;
    this.on("loading", () => setBusy(this, true));
    this.on("load remove", () => setBusy(this, false));
  },

  /** Let tiles overlap by a pixel: at zooms between two, there would be gaps. */
  _initTile(tile) {
    L.GridLayer.prototype._initTile.call(this, tile);
    tile.style.width = tile.style.height = `${basemap.tile_px + 1}px`;
  },

  createTile({ x, y, z }, done) {
    const tile = element("img");
    tile.alt = "";
    const address = tileAddress(z - this.coarser, x, y);
    if (address === null) {
      nextTurn(() => done(null, tile));
      return tile;
    }
    tile.addEventListener("load", () => arrivedTile(tile, done));
    tile.addEventListener("error", () => failedTile(tile, address, done));
    if (basemap.kind === "online") {
      tile.referrerPolicy = "strict-origin";
      if (!basemapPlain) tile.crossOrigin = "anonymous";
    }
    tile.src = address;
    return tile;
  },
});

function arrivedTile(tile, done) {
  basemapArrived++;
  if (basemap.kind === "online" && tile.crossOrigin === null) basemapPlain = true;
  done(null, tile);
  if (!basemapFailed) return;
  basemapFailed = false;
  sayBasemap();
}

/** Ask again without leave to copy, which some servers do not give; then do without the tile. */
function failedTile(tile, address, done) {
  if (tile.crossOrigin !== null && !basemapArrived) {
    tile.crossOrigin = null;
    tile.src = address;
    return;
  }
  done(new Error(address), tile);
  if (basemapArrived || basemapFailed) return;
  basemapFailed = true;
  sayBasemap();
}

/** Give every map that is open, with its areas and what they show. */
function mapsOver() {
  const small = insets.map((each) => [each.map, each, state]);
  return [[map, areas, state], ...(other ? [[other.map, other.areas, other]] : []), ...small];
}

/** Lay the basemap under every map that is open, or take it away. */
async function turnBasemap() {
  if (!basemap) return;
  if (isBasemapOn()) await loadBasemap();
  for (const [where] of mapsOver()) {
    if (!where.getPane("basemap")) where.createPane("basemap");
    if (!basemapLayers.has(where)) basemapLayers.set(where, new BasemapTiles());
    const layer = basemapLayers.get(where);
    if (isBasemapOn()) layer.addTo(where);
    else layer.remove();
  }
  sayBasemap();
  keepPlace();
}

/** Say what the basemap is and whose, and let as much of it be seen as classes allow. */
function sayBasemap() {
  if (!basemap) return;
  const hiding = data.scales.over_basemap;
  for (const [, { tiles }, { show }] of mapsOver()) {
    tiles.setOpacity(isBasemapOn() ? hiding[show] ?? hiding[""] : 1);
  }
  const { host } = basemap;
  const notes = {
    packed: t("It is in this file: nothing is fetched."),
    files: t("It comes from this site's own files."),
    online: t("While it is switched on, this page fetches pictures from {host}, which so learns which part of the map you look at. All else works without a network.", { host }),
  };
  const failed = t("No picture came from {host}; the map works without.", { host });
  at("basemap-note").textContent = notes[basemap.kind];
  at("basemap-failed").textContent = isBasemapOn() && basemapFailed ? failed : "";
  at("basemap-credit").textContent = basemapCredit();
  at("basemap-credit").hidden = !isBasemapOn() || !basemap.attribution;
}

/** Give whose the basemap is, in words. */
function basemapCredit() {
  return basemap?.attribution ? t("Basemap: {attribution}", { attribution: basemap.attribution }) : "";
}

/** Let the switch work, and lay the basemap unless the address says otherwise. */
async function startBasemap(place) {
  if (!basemap) return;
  at("basemap-box").hidden = false;
  at("basemap-on").checked = place.get("basemap") !== "0";
  at("basemap-on").addEventListener("change", () => turnBasemap().catch(sayTrouble));
  await turnBasemap().catch(sayTrouble);
}

/** Give the tiles on a map that may stand in a picture; none where a browser forbids to copy them. */
function tilesToCopy(container) {
  const tiles = [...container.querySelectorAll(".leaflet-basemap-pane img.leaflet-tile-loaded[src]")];
  return tiles.every(isCopied) ? tiles : [];
}

function isCopied(tile) {
  const pen = element("canvas").getContext("2d");
  try {
    pen.drawImage(tile, 0, 0, 1, 1);
    pen.getImageData(0, 0, 1, 1);
    return true;
  } catch {
    return false;
  }
}

/** Draw the basemap of a map into a picture; tell whether there is one. */
function drawBasemap(pen, container, frame, head) {
  const tiles = tilesToCopy(container);
  pen.filter = "grayscale(1)";
  for (const tile of tiles) {
    const box = tile.getBoundingClientRect();
    pen.drawImage(tile, box.left - frame.left, head + box.top - frame.top, box.width, box.height);
  }
  pen.filter = "none";
  return tiles.length > 0;
}

/** Say in a picture whose its basemap is, or that it had to be left out. */
function basemapLine(container) {
  if (!isBasemapOn()) return "";
  if (tilesToCopy(container).length) return basemapCredit();
  return t("Without its basemap, whose pictures may not be copied from here.");
}

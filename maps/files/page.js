"use strict";
// The page: what is chosen, what follows from it, and where clicks and keys go.
const map = window.map_phusong;
const areas = new AreaLayer(map);
const state = { result: null, layer: null, shapes: null, classified: null, shown: SHOWN.verdict, show: "verdict", area: null };
const PAPER_PX = 700; // A4 between usual margins, at 96 pixels an inch
const at = (id) => document.getElementById(id);

const openResults = [];
let asked = 0;

/** Open a result's values; those of a few earlier ones stay open. */
async function openResult(result) {
  if (!result.bytes) await loadValues(result);
  const at = openResults.indexOf(result);
  if (at >= 0) openResults.splice(at, 1);
  openResults.push(result);
  for (const each of openResults.slice(0, -KEPT_PACKS)) {
    if (each === state.result || each === other?.result) continue;
    openResults.splice(openResults.indexOf(each), 1);
    forgetValues(each);
  }
}

/** Show a result, operator and quantity; what does not exist there falls back to the first. */
async function show({ result = state.result, operator = state.layer?.operator, quantity = state.show } = {}) {
  const mine = ++asked;
  setBusy("values", true);
  const loaded = await Promise.all([loadShapes(result), openResult(result)]).catch(sayTrouble);
  if (!loaded) {
    setBusy("values", false);
    sayChoices(state);
    return;
  }
  const [shapes] = loaded;
  at("trouble").hidden = true;
  // While this one was unpacked, the reader may have chosen another.
  if (mine !== asked) return;
  const first = state.result === null;
  const moved = state.shapes !== null && shapes !== state.shapes;
  if (moved) choose(null);
  turnTo(state, result, operator, quantity);
  state.shapes = shapes;
  state.classified = classify(shapes, state.layer, state.shown);
  sayAll();
  if (first) {
    // The heading is filled in first, because its height decides how large the map is.
    map.invalidateSize({ animate: false });
    startInsets();
    turnInsets(insetsShown());
  }
  // Areas of another kind, such as cells, are shown where the reader looks, unless they are elsewhere.
  const [west, south, east, north] = homeOf(shapes);
  if (first || (moved && !map.getBounds().intersects([[south, west], [north, east]]))) fit(homeOf(shapes));
  areas.draw(shapes, state.classified);
  drawInsets(shapes, state.classified);
  setBusy("values", false);
  if (other) refreshOther();
}

const homeOf = (shapes) => data.home ?? shapes.home;

function fit([west, south, east, north]) {
  map.fitBounds([[south, west], [north, east]], { animate: false, padding: [8, 8] });
}

function sayAll() {
  sayPage();
  turnInsets(insetsShown());
  sayPlace();
  sayHeading();
  sayChoices(state);
  sayHeadline(state);
  saySentence(state, at("sentence"));
  sayLegend(state, at("legend-unit"), at("legend"));
  if (other) sayOther();
  if (data.points) sayPoints();
  sayBasemap();
  if (state.area) describe(at("card"), state.layer, state.area, "h2");
  hideTips();
  if (at("table-dialog").open) sayTable();
  if (at("about-dialog").open) sayAbout();
  keepPlace();
}

/** Say what the map is of: title, period, boundaries; and what a reader must not miss. */
function sayHeading() {
  const { result } = state;
  const title = data.title ?? t("Coverage map");
  at("title").textContent = title;
  document.title = title;
  at("subtitle").replaceChildren(element("span", [ruleTitle(result), periodOf(result), boundariesOf(result)].join(" · ")));
  at("approximate").hidden = !result.boundary.approximate;
  const boundaries = boundaryName(result);
  at("legend-boundaries").hidden = !boundaries;
  at("legend-boundaries").textContent = t("boundaries: {name}", { name: boundaries });
  sayBand(at("simulated-band"), result);
  sayCautions(result);
}

/** Give the boundaries that a result is over, with their vintage; cells have none. */
function boundariesOf(result) {
  const name = boundaryName(result);
  return name ? t("boundaries: {name}", { name }) : areaUnit(result);
}

function sayBand(band, result) {
  band.hidden = !result.simulated;
  band.replaceChildren(
    element("strong", t("SIMULATED")),
    " ",
    t("{measured} measured, {simulated} simulated {simulated:sample|samples}. This is not evidence of real coverage.", {
      measured: number(result.measured),
      simulated: number(result.simulated),
    }),
  );
}

function sayCautions(result) {
  const indicated = result.nr.nsa_indicated ?? 0;
  at("indication").hidden = !(result.by_indication && indicated);
  at("indication").textContent = t("5G here is the phone's own 5G icon only, not measured: {n} {n:sample|samples}.", {
    n: number(indicated),
  });
  at("unverified").hidden = !result.unverified.length;
  at("unverified").textContent = t("Not checked against their source: {numbers}", {
    numbers: result.unverified.map(said).join(", "),
  });
}

/** Choose an area: outline it, tell about it, and bring it into view where asked. */
function choose(area, move = false) {
  if (other) chooseBeside(area);
  state.area = area;
  areas.mark(area);
  keepPlace();
  at("card").hidden = !area;
  if (!area) return;
  describe(at("card"), state.layer, area, "h2");
  at("card").prepend(closing(() => choose(null)));
  const into = linkInto(area);
  if (into) at("card").append(into);
  at("card").scrollIntoView({ block: "nearest" });
  if (!move) return;
  const [west, south, east, north] = area.box;
  map.fitBounds([[south, west], [north, east]], { animate: false, maxZoom: 10, padding: [40, 40] });
}

function closing(close) {
  const button = element("button", "×", "dismiss");
  button.type = "button";
  button.setAttribute("aria-label", t("Close"));
  button.addEventListener("click", close);
  return button;
}

const boundaryKey = ({ boundary }) => boundary.vintage ?? boundary.id ?? "";

/** Give what a map shows as an address keeps it. */
function chosenOn({ result, layer, show }) {
  const { rule, area } = result;
  return { rule, area, period: periodKey(result), boundary: boundaryKey(result), operator: layer.operator, show };
}

/** Keep what is chosen in the address, so that a copied link shows the same. */
function keepPlace() {
  const { lat, lng } = map.getCenter();
  const place = new URLSearchParams({
    ...chosenOn(state),
    ...besides(),
    ...beneathChosen(),
    lang: language,
    at: [lat.toFixed(4), lng.toFixed(4), map.getZoom()].join(","),
  });
  if (state.area) place.set("chosen", state.area.code);
  if (!insetsShown()) place.set("insets", "hidden");
  sayPlace();
  if (location.hash !== `#${place}`) history.replaceState(null, "", `#${place}`);
}

const periodKey = ({ period }) => period.map((moment) => moment?.slice(0, 10) ?? "").join("/");

/** Give the result that agrees most with an address: its rule first, then area, period, boundaries. */
function resultAt(place) {
  const agrees = (result) => [
    result.rule === place.get("rule"),
    result.area === place.get("area"),
    periodKey(result) === place.get("period"),
    boundaryKey(result) === place.get("boundary"),
  ];
  const rank = (result) => agrees(result).reduce((sum, agreed) => 2 * sum + Number(agreed), 0);
  return data.results.reduce((best, each) => (rank(each) > rank(best) ? each : best));
}

/** Start from the address where it says something, or from the first result. */
async function start() {
  const place = new URLSearchParams(location.hash.slice(1));
  if (Object.hasOwn(LANGUAGES, place.get("lang") ?? "")) language = place.get("lang");
  if (window.matchMedia("(max-width: 700px)").matches) at("legend-box").open = false;
  new ResizeObserver(() => map.invalidateSize({ animate: false })).observe(map.getContainer());
  map.createPane("points").style.zIndex = 450;
  map.getPane("points").style.pointerEvents = "none";
  if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) {
    map.options.inertia = false;
    map._zoomAnimated = false;
  }
  L.control.scale({ imperial: false }).addTo(map);
  if (place.get("insets") === "hidden") at("turn-insets").setAttribute("aria-expanded", "false");
  await show({
    result: resultAt(place),
    operator: place.get("operator") ?? "any",
    quantity: place.get("show") ?? "verdict",
  });
  const [lat, lng, zoom] = (place.get("at") ?? "").split(",").map(Number);
  if ([lat, lng, zoom].every(Number.isFinite)) map.setView([lat, lng], zoom, { animate: false });
  const chosen = state.shapes.areas.find(({ code }) => code === place.get("chosen"));
  if (chosen) choose(chosen, !place.has("at"));
  if (data.points) startPoints();
  await startBasemap(place);
  await startOther(place);
  areas.onSettled = (grouped) => {
    areas.onSettled = sayGrouping;
    sayGrouping(grouped);
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        document.documentElement.dataset.readyMs = String(Math.round(performance.now()));
      }),
    );
  };
  areas.settle();
}

const pointLayers = new Map();

function startPoints() {
  const box = at("points-on");
  at("points-box").hidden = !data.points.kind.length;
  box.checked = data.points.shown_at_first;
  box.addEventListener("change", turnPoints);
  turnPoints();
  map.on("zoomend", sayPoints);
}

/** Show the points on every map that is open, or on none. */
function turnPoints() {
  for (const where of other ? [map, other.map] : [map]) {
    if (!pointLayers.has(where)) pointLayers.set(where, new PointLayer(data.points));
    const layer = pointLayers.get(where);
    if (at("points-on").checked) layer.addTo(where);
    else layer.remove();
  }
  sayPoints();
}

function tell(event) {
  if (other) tellOn(other.map, other, at("other-tooltip"), event);
  tellOn(map, state, at("tooltip"), event);
}

/** Tell about the area under the pointer, beside it; on the other map at the same place. */
function tellOn(where, { shapes, layer }, tip, event) {
  const found = event.originalEvent.pointerType === "touch" ? null : shapes?.at(event.latlng.lat, event.latlng.lng) ?? null;
  tip.hidden = !found;
  if (!found) return;
  if (tip.dataset.code !== found.code || !tip.firstChild) describe(tip, layer, found, "h2");
  tip.dataset.code = found.code;
  const { x, y } = where.latLngToContainerPoint(event.latlng);
  const size = where.getSize();
  const { offsetTop } = where.getContainer();
  tip.style.left = `${Math.max(4, x + 16 + tip.offsetWidth > size.x ? x - 16 - tip.offsetWidth : x + 16)}px`;
  tip.style.top = `${offsetTop + Math.max(4, Math.min(y + 16, size.y - tip.offsetHeight - 4))}px`;
}

// Leaflet gives the map the focus on a click too; only keys need its ring and cross-hair.
document.addEventListener("keydown", () => document.body.classList.add("keys"));
document.addEventListener("pointerdown", () => document.body.classList.remove("keys"));
/** Hide what is told beside the pointer, and forget it: it may read otherwise next time. */
function hideTips() {
  for (const tip of [at("tooltip"), at("other-tooltip")]) {
    tip.hidden = true;
    tip.replaceChildren();
  }
}

function chooseAt({ lat, lng }) {
  hideTips();
  choose(state.shapes?.at(lat, lng) ?? null);
  if (other) chooseOther(other.shapes.at(lat, lng));
}

/** Let pointer and keys tell about areas and choose them on a map. */
function listen(where) {
  where.on("mousemove", tell);
  where.on("mouseout movestart", hideTips);
  where.on("click", (event) => chooseAt(event.latlng));
  where.getContainer().addEventListener("keydown", (event) => {
    if (event.key === "Escape") choose(null);
    if (event.key === "Enter") chooseAt(where.getCenter());
  });
}

listen(map);
map.on("moveend", () => state.result && keepPlace());
at("result").addEventListener("change", (event) => show({ result: samePeriod(data.results[Number(event.target.value)], state) }));
at("period").addEventListener("change", (event) => show({ result: data.results[Number(event.target.value)] }));
at("operator").addEventListener("change", (event) => show({ operator: event.target.value }));
at("show").addEventListener("change", (event) => show(withQuantity(state, event.target.value)));
at("search").addEventListener("input", (event) => search(event.target.value));
at("search").addEventListener("focus", async () => {
  await loadNames();
  if (at("search").value) search(at("search").value);
});
at("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter") at("found").querySelector("button, a")?.click();
  if (event.key === "Escape") at("found").hidden = true;
});
at("language").addEventListener("click", () => {
  language = language === "en" ? "vi" : "en";
  sayAll();
  search(at("search").value);
});
at("zoom-in").addEventListener("click", () => map.zoomIn());
at("zoom-out").addEventListener("click", () => map.zoomOut());
at("home").addEventListener("click", () => fit(homeOf(state.shapes)));
at("whole").addEventListener("click", () => fit(state.shapes.whole));
// Paper is narrower than most windows: the map is scaled as it stands, so nothing is cut off.
window.addEventListener("beforeprint", () => {
  const room = other ? PAPER_PX / 2 - 8 : PAPER_PX;
  for (const { clientWidth: width, clientHeight: height, style } of [at("map-box"), at("other-box")]) {
    style.setProperty("--width", `${width}px`);
    style.setProperty("--height", `${height}px`);
    style.setProperty("--scale", String(Math.min(1, room / Math.max(1, width))));
  }
});
at("turn-insets").addEventListener("click", () => {
  turnInsets(!insetsShown());
  keepPlace();
});
at("save-picture").addEventListener("click", savePicture);
at("print").addEventListener("click", () => window.print());
at("open-table").addEventListener("click", () => {
  sayTable();
  at("table-dialog").showModal();
});
at("open-about").addEventListener("click", () => {
  sayAbout();
  at("about-dialog").showModal();
});
for (const button of document.querySelectorAll("dialog .close")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
start();

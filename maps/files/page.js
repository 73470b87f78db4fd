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
  while (openResults.length > KEPT_PACKS) forgetValues(openResults.shift());
}

/** Show a result, operator and quantity; what does not exist there falls back to the first. */
async function show({ result = state.result, operator = state.layer?.operator, quantity = state.show } = {}) {
  const mine = ++asked;
  document.documentElement.dataset.busy = "values";
  const loaded = await Promise.all([loadShapes(result), openResult(result)]).catch(sayTrouble);
  if (!loaded) {
    delete document.documentElement.dataset.busy;
    sayChoices();
    return;
  }
  const [shapes] = loaded;
  at("trouble").hidden = true;
  // While this one was unpacked, the reader may have chosen another.
  if (mine !== asked) return;
  const first = state.result === null;
  const moved = state.shapes !== null && shapes !== state.shapes;
  if (moved) choose(null);
  state.result = result;
  state.layer = layerOf(result, operator);
  state.show = Object.hasOwn(SHOWN, quantity) ? quantity : "verdict";
  state.shown = SHOWN[state.show];
  state.shapes = shapes;
  state.classified = classify(shapes, state.layer, state.shown);
  sayAll();
  // The heading is filled in first, because its height decides how large the map is.
  map.invalidateSize({ animate: false });
  if (first || moved) fit(shapes.home);
  areas.draw(shapes, state.classified);
}

function fit([west, south, east, north]) {
  map.fitBounds([[south, west], [north, east]], { animate: false, padding: [8, 8] });
}

function sayAll() {
  sayPage();
  sayPlace();
  sayHeading();
  sayChoices();
  saySentence();
  sayLegend();
  if (data.points) sayPoints();
  if (state.area) describe(at("card"), state.layer, state.area, "h2");
  at("tooltip").hidden = true;
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
  const parts = [ruleTitle(result)];
  parts.push(periodOf(result));
  const { name, vintage, approximate } = result.boundary;
  if (name) parts.push(t("boundaries: {name}", { name: vintage ? `${name} (${vintage})` : name }));
  else parts.push(areaUnit(result));
  at("subtitle").replaceChildren(element("span", parts.join(" · ")));
  at("approximate").hidden = !approximate;
  const band = at("simulated-band");
  band.hidden = !result.simulated;
  band.replaceChildren(
    element("strong", t("SIMULATED")),
    " ",
    t("{measured} measured, {simulated} simulated samples. This is not evidence of real coverage.", {
      measured: number(result.measured),
      simulated: number(result.simulated),
    }),
  );
  sayCautions(result);
}

function periodOf({ period: [start, end], inputs: { first_sample: first, last_sample: last } }) {
  if (start && end) return t("{start} to {end} (UTC)", { start: day(start), end: lastDay(end) });
  if (start) return t("from {start} (UTC)", { start: day(start) });
  if (end) return t("until {end} (UTC)", { end: lastDay(end) });
  if (first && last) return t("all dates: {start} to {end} (UTC)", { start: day(String(first)), end: day(String(last)) });
  return t("all dates");
}

function sayCautions(result) {
  const indicated = result.nr.nsa_indicated ?? 0;
  at("indication").hidden = !(result.by_indication && indicated);
  at("indication").textContent = t("5G here is the phone's own 5G icon only, not measured: {n} samples.", {
    n: number(indicated),
  });
  at("unverified").hidden = !result.unverified.length;
  at("unverified").textContent = t("Not checked against their source: {numbers}", {
    numbers: result.unverified.map(said).join(", "),
  });
}

function options(select, pairs, chosen) {
  select.replaceChildren(
    ...pairs.map(([value, label]) => {
      const option = element("option", label);
      option.value = value;
      option.selected = value === chosen;
      return option;
    }),
  );
}

const placeOf = (result) => String(data.results.indexOf(result));

/** Tell whether two results differ in their period only. */
function isAlike(one, other) {
  return one.rule === other.rule && one.area === other.area && one.shapes === other.shapes;
}

/** Give the result of a rule for the period that is shown, or else its first. */
function samePeriod(first) {
  const alike = data.results.filter((each) => isAlike(each, first));
  return alike.find((each) => periodOf(each) === periodOf(state.result)) ?? first;
}

function sayChoices() {
  const kinds = data.results.filter((each, index) => data.results.findIndex((other) => isAlike(other, each)) === index);
  const kind = kinds.find((each) => isAlike(each, state.result));
  options(at("result"), kinds.map((each) => [placeOf(each), `${ruleTitle(each)} – ${areaUnit(each)}`]), placeOf(kind));
  const periods = data.results.filter((each) => isAlike(each, state.result));
  options(at("period"), periods.map((each) => [placeOf(each), periodOf(each)]), placeOf(state.result));
  at("period").hidden = at("period-label").hidden = periods.length < 2;
  options(at("operator"), state.result.layers.map((each) => [each.operator, operatorName(each.operator)]), state.layer.operator);
  options(at("show"), Object.entries(SHOWN).map(([key, each]) => [key, each.title()]), state.show);
}

/** Choose an area: outline it, tell about it, and bring it into view where asked. */
function choose(area, move = false) {
  state.area = area;
  areas.mark(area);
  keepPlace();
  at("card").hidden = !area;
  if (!area) return;
  describe(at("card"), state.layer, area, "h2");
  const close = element("button", "×", "dismiss");
  close.type = "button";
  close.setAttribute("aria-label", t("Close"));
  close.addEventListener("click", () => choose(null));
  at("card").prepend(close);
  const into = linkInto(area);
  if (into) at("card").append(into);
  at("card").scrollIntoView({ block: "nearest" });
  if (!move) return;
  const [west, south, east, north] = area.box;
  map.fitBounds([[south, west], [north, east]], { animate: false, maxZoom: 10, padding: [40, 40] });
}

/** Keep what is chosen in the address, so that a copied link shows the same. */
function keepPlace() {
  const { lat, lng } = map.getCenter();
  const { rule, area, boundary } = state.result;
  const place = new URLSearchParams({
    rule,
    area,
    period: periodKey(state.result),
    boundary: boundary.vintage ?? boundary.id ?? "",
    operator: state.layer.operator,
    show: state.show,
    lang: language,
    at: [lat.toFixed(4), lng.toFixed(4), map.getZoom()].join(","),
  });
  if (state.area) place.set("chosen", state.area.code);
  sayPlace();
  history.replaceState(null, "", `#${place}`);
}

const periodKey = ({ period }) => period.map((moment) => moment?.slice(0, 10) ?? "").join("/");

/** Give the result that agrees most with an address: its rule first, then area, period, boundaries. */
function resultAt(place) {
  const agrees = (result) => [
    result.rule === place.get("rule"),
    result.area === place.get("area"),
    periodKey(result) === place.get("period"),
    (result.boundary.vintage ?? result.boundary.id ?? "") === place.get("boundary"),
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

function startPoints() {
  const layer = new PointLayer(data.points);
  const box = at("points-on");
  const turn = () => (box.checked ? layer.addTo(map) : layer.remove());
  at("points-box").hidden = !data.points.kind.length;
  box.checked = data.points.shown_at_first;
  box.addEventListener("change", turn);
  turn();
}

function tell(event) {
  const tip = at("tooltip");
  const found = event.originalEvent.pointerType === "touch" ? null : state.shapes?.at(event.latlng.lat, event.latlng.lng) ?? null;
  tip.hidden = !found;
  if (!found) return;
  if (tip.dataset.code !== found.code || !tip.firstChild) describe(tip, state.layer, found, "h2");
  tip.dataset.code = found.code;
  const { x, y } = event.containerPoint;
  const size = map.getSize();
  tip.style.left = `${Math.max(4, x + 16 + tip.offsetWidth > size.x ? x - 16 - tip.offsetWidth : x + 16)}px`;
  tip.style.top = `${Math.max(4, Math.min(y + 16, size.y - tip.offsetHeight - 4))}px`;
}

// Leaflet gives the map the focus on a click too; only keys need its ring and cross-hair.
document.addEventListener("keydown", () => document.body.classList.add("keys"));
document.addEventListener("pointerdown", () => document.body.classList.remove("keys"));
map.on("mousemove", tell);
map.on("mouseout movestart", () => (at("tooltip").hidden = true));
map.on("click", (event) => {
  at("tooltip").hidden = true;
  choose(state.shapes?.at(event.latlng.lat, event.latlng.lng) ?? null);
});
map.on("moveend", () => state.result && keepPlace());
map.getContainer().addEventListener("keydown", (event) => {
  if (event.key === "Escape") choose(null);
  if (event.key !== "Enter") return;
  const { lat, lng } = map.getCenter();
  choose(state.shapes?.at(lat, lng) ?? null);
});
at("result").addEventListener("change", (event) => show({ result: samePeriod(data.results[Number(event.target.value)]) }));
at("period").addEventListener("change", (event) => show({ result: data.results[Number(event.target.value)] }));
at("operator").addEventListener("change", (event) => show({ operator: event.target.value }));
at("show").addEventListener("change", (event) => show({ quantity: event.target.value }));
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
at("home").addEventListener("click", () => fit(state.shapes.home));
at("whole").addEventListener("click", () => fit(state.shapes.whole));
// Paper is narrower than most windows: the map is scaled as it stands, so nothing is cut off.
window.addEventListener("beforeprint", () => {
  const { clientWidth: width, clientHeight: height, style } = at("map-box");
  style.setProperty("--width", `${width}px`);
  style.setProperty("--height", `${height}px`);
  style.setProperty("--scale", String(Math.min(1, PAPER_PX / width)));
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

"use strict";
// Two maps beside each other: the second has its own rule, period, operator, quantity and, where
// the page has them, boundaries; both always show the same part of the country.
let other = null; // what the second map shows, as `state` is for the first; null while it is closed
let otherAsked = 0;

const VERDICT_OF_CHANGE = { covered: { not_covered: "better" }, not_covered: { covered: "worse" } };
const DECIDED = new Set(["covered", "not_covered"]);

/** Tell whether both maps are over the same areas, so that one can be held against the other. */
const sameAreas = () =>
  other.shapes === state.shapes && other.result.area === state.result.area && isAdoption(other.result) === isAdoption(state.result);

/** Give for every area what became of its verdict from the first map to the second, by class. */
function changes(total) {
  const keys = data.scales.verdict.map(({ key }) => key);
  const names = data.scales.change.map(({ key }) => key);
  if (isAdoption(state.result)) return adoptionChanges(state.layer, other.layer, total, names);
  const before = valuesOf(state.layer, "verdict", total);
  const after = valuesOf(other.layer, "verdict", total);
  return Uint8Array.from(before, (_, index) => {
    const [was, is] = [keys[before[index]], keys[after[index]]];
    let change = VERDICT_OF_CHANGE[is]?.[was];
    if (!change && was === is && DECIDED.has(was)) change = "same";
    if (!change && DECIDED.has(is)) change = "settled";
    if (!change && DECIDED.has(was)) change = "unsettled";
    return names.indexOf(change ?? "neither");
  });
}

const CHANGE = {
  title: () => (isAdoption(state.result) ? t("Change of adoption from A to B") : t("Change of verdict from A to B")),
  classes: () => data.scales.change.map((fill) => ({ ...fill, label: isAdoption(state.result) ? ADOPTION_CHANGES[fill.key]() : t(fill.label) })),
  indices: (_, total) => changes(total),
};

const otherShown = () => ({ ...shownOf(other.result), ...(sameAreas() ? { change: CHANGE } : {}) });

/** Show a result, operator and quantity on the second map. */
async function showOther({ result = other.result, operator = other.layer?.operator, quantity = other.show } = {}) {
  const mine = ++otherAsked;
  setBusy("second values", true);
  const loaded = await Promise.all([loadShapes(result), openResult(result)]).catch(sayTrouble);
  if (mine !== otherAsked || !other) return;
  setBusy("second values", false);
  if (!loaded) {
    if (other.layer) sayOther();
    else closeOther();
    return;
  }
  const moved = other.shapes && other.shapes !== loaded[0];
  other.shapes = loaded[0];
  turnTo(other, result, operator, quantity, { ...shownOf(result), change: CHANGE });
  if (moved) chooseOther(null);
  refreshOther();
  keepPlace();
}

/** Draw the second map again: it, or the first which it is held against, shows something else. */
function refreshOther() {
  if (!other.layer) return;
  const found = otherShown();
  if (!Object.hasOwn(found, other.show)) other.show = Object.keys(found)[0];
  other.shown = found[other.show];
  other.classified = classify(other.shapes, other.layer, other.shown);
  sayOther();
  other.areas.draw(other.shapes, other.classified);
}

/** Say what both maps show and what is different between them. */
function sayOther() {
  if (!other.layer) return;
  sayChoices(other, "other-", otherShown());
  sayLegend(other, at("other-legend-unit"), at("other-legend"));
  saySentence(other, at("other-sentence"));
  sayDifference();
  sayBand(at("other-band"), other.result);
  setSeen(true);
  sayBasemap();
  const { approximate } = other.result.boundary;
  const notes = [boundariesOf(other.result), approximate ? t("APPROXIMATE shapes, made from centre points") : null];
  at("other-boundaries").textContent = notes.filter(Boolean).join(" · ");
  const [first, second] = [captionOf(state), captionOf(other)];
  for (const [id, letter, own, theirs] of [["caption", "A", first, second], ["other-caption", "B", second, first]]) {
    const apart = own.filter((part, index) => part !== theirs[index]);
    at(id).textContent = `${letter} · ${(apart.length ? apart : own.slice(0, 2)).join(" · ")}`;
    at(id).title = own.join(" · ");
  }
  if (other.area) chooseOther(other.area);
}

/** Give what tells a map from the other one, the operator first. */
function captionOf({ result, layer, shown }) {
  return [whose({ result, layer }), shown.title(), ruleTitle(result), areaUnit(result), periodOf(result), boundariesOf(result)];
}

function sayDifference() {
  if (!sameAreas()) {
    at("difference").textContent =
      isAdoption(state.result) === isAdoption(other.result)
        ? t("A and B are over different areas, so single areas are not held against each other.")
        : t("A and B show different things, so single areas are not held against each other.");
    return;
  }
  const total = state.shapes.areas.length;
  const counts = {};
  const found = changes(total);
  data.scales.change.forEach(({ key }, index) => (counts[key] = number(found.reduce((sum, each) => sum + (each === index), 0))));
  if (isAdoption(state.result)) {
    at("difference").textContent = t(
      "From A to B, of {total} {unit}: {better} {better:has|have} a higher share, {worse} a lower one and {same} the same; {settled} {settled:has|have} a figure in B only, {unsettled} in A only and {neither} in neither.",
      { total: number(total), unit: areaUnit(state.result, total), ...counts },
    );
    return;
  }
  at("difference").textContent = t(
    "From A to B, of {total} {unit}: {better} went from not covered to covered, {worse} from covered to not covered; {settled} {settled:has|have} a verdict in B only, {unsettled} in A only; {same} {same:has|have} the same verdict and {neither} none in either.",
    { total: number(total), unit: areaUnit(state.result, total), ...counts },
  );
}

/** Choose an area of the second map and tell about it. */
function chooseOther(area) {
  other.area = area;
  other.areas.mark(area);
  const card = at("other-card");
  card.hidden = !area;
  if (!area) return;
  describe(card, other.layer, area, "h3");
  card.prepend(closing(() => choose(null)));
}

/** Choose on the second map what was chosen on the first: the same area, or what lies there. */
function chooseBeside(area) {
  if (!other.shapes || area === null) {
    if (other.area) chooseOther(null);
    return;
  }
  if (sameAreas()) {
    chooseOther(area);
    return;
  }
  const [west, south, east, north] = area.box;
  chooseOther(other.shapes.at((south + north) / 2, (west + east) / 2));
}

/** Give what the address keeps of the second map. */
function besides() {
  if (!other?.layer) return {};
  return Object.fromEntries(Object.entries(chosenOn(other)).map(([name, value]) => [`b-${name}`, value]));
}

const isEarlier = (one, two) => (one.period[1] ?? one.period[0] ?? "") < (two.period[1] ?? two.period[0] ?? "");

/** Give what to hold a result against: an earlier period, other boundaries, or itself. */
function comparable() {
  const alike = data.results.filter((each) => isAlike(each, state.result)).sort((one, two) => (isEarlier(one, two) ? -1 : 1));
  const here = alike.indexOf(state.result);
  const elsewhere = data.results.find((each) => each.rule === state.result.rule && each.area === state.result.area && each.shapes !== state.result.shapes);
  return alike[here - 1] ?? alike[here + 1] ?? elsewhere ?? state.result;
}

/** Make the second map once, over the same view as the first. */
function secondMap() {
  if (secondMap.made) return secondMap.made;
  const second = L.map("other-map", {
    center: map.getCenter(),
    zoom: map.getZoom(),
    zoomControl: false,
    attributionControl: false,
    zoomSnap: map.options.zoomSnap,
    wheelPxPerZoomLevel: map.options.wheelPxPerZoomLevel,
    inertia: map.options.inertia,
    preferCanvas: true,
    fadeAnimation: false,
  });
  second._zoomAnimated = second._zoomAnimated && map._zoomAnimated;
  second.createPane("points").style.zIndex = 450;
  second.getPane("points").style.pointerEvents = "none";
  new ResizeObserver(() => second.invalidateSize({ animate: false })).observe(second.getContainer());
  listen(second);
  let following = false;
  for (const [from, to] of [[map, second], [second, map]]) {
    from.on("move zoomend", () => {
      if (following || !other) return;
      following = true;
      to.setView(from.getCenter(), from.getZoom(), { animate: false });
      following = false;
    });
  }
  secondMap.made = { map: second, areas: new AreaLayer(second, { said: ["otherAreasDrawn", "otherDrawnAs"] }) };
  return secondMap.made;
}

/** Open the second map, with what an address says or else what is worth holding against the first. */
async function openOther(place = null) {
  const seen = map.getBounds();
  let result = place ? resultAt(place) : comparable();
  if (!place && isEarlier(result, state.result)) {
    // Before stands on the left, after on the right.
    const later = state.result;
    await show({ result });
    result = later;
  }
  setSeen(true);
  const operators = state.result.layers.map(({ operator }) => operator);
  const next = operators[operators.indexOf(state.layer.operator) + 1] ?? operators[0];
  const operator = place?.get("operator") ?? (result === state.result ? next : state.layer.operator);
  map.invalidateSize({ animate: false });
  // Half the width, and still all that was seen; an address says itself what it shows.
  const [west, south, east, north] = homeOf(state.shapes);
  const wasHome = seen.contains([[south, west], [north, east]]);
  if (!place && wasHome) fit([west, south, east, north]);
  else if (!place) map.fitBounds(seen, { animate: false });
  other = { ...secondMap(), result, layer: null, shapes: null, area: null, show: state.show };
  other.map.invalidateSize({ animate: false });
  other.map.setView(map.getCenter(), map.getZoom(), { animate: false });
  if (data.points) turnPoints();
  await turnBasemap().catch(sayTrouble);
  await showOther({ result, operator, quantity: place?.get("show") ?? state.show });
  if (other?.layer && state.area) chooseBeside(state.area);
}

function closeOther() {
  otherAsked++;
  other?.areas.mark(null);
  other = null;
  setBusy("second values", false);
  setSeen(false);
  map.invalidateSize({ animate: false });
  keepPlace();
}

function setSeen(seen) {
  document.body.classList.toggle("comparing", seen);
  at("other").hidden = at("other-box").hidden = at("caption").hidden = !seen;
  const button = at("compare");
  button.setAttribute("aria-expanded", String(seen));
  button.textContent = seen ? t("Close the second map") : t("Compare with a second map");
}

/** Let the choices work, and open the second map where the address has one. */
async function startOther(place) {
  at("compare").addEventListener("click", () => (other ? closeOther() : openOther()));
  at("other-result").addEventListener("change", ({ target }) => showOther({ result: samePeriod(data.results[Number(target.value)], other) }));
  at("other-period").addEventListener("change", ({ target }) => showOther({ result: data.results[Number(target.value)] }));
  at("other-operator").addEventListener("change", ({ target }) => showOther({ operator: target.value }));
  at("other-show").addEventListener("change", ({ target }) => showOther(withQuantity(other, target.value)));
  const own = [...place].filter(([name]) => name.startsWith("b-")).map(([name, value]) => [name.slice(2), value]);
  if (own.length) await openOther(new URLSearchParams(own));
}

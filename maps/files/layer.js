"use strict";
// A layer for anybody's own Leaflet map: areas on canvas, a legend, and what is known of an area
// where the reader points or clicks. Everything a person reads goes in as text.
const state = { result: null, layer: null, shapes: null, classified: null, shown: null, show: null };
const NARROW = "(max-width: 700px)";

/** Put boxes of several layers for one event into one place, the first layer's first. */
function together(map, kind, event, box, make) {
  const places = (map.phusongPlaces ??= {});
  const place = (places[kind] ??= { event: null, content: null, shown: null });
  if (place.event !== event.originalEvent) {
    place.event = event.originalEvent;
    place.content = element("div", null, "phusong-found");
    place.shown?.remove();
    place.shown = null;
  }
  if (!box) return;
  place.content.append(box);
  if (place.shown) place.shown.update();
  else {
    place.shown = make().setLatLng(event.latlng).setContent(place.content);
    // openOn closes whatever other popup is open.
    place.shown.openOn(map);
  }
}

const Legend = L.Control.extend({
  options: { position: "bottomright" },

  initialize(owner) {
    this.owner = owner;
  },

  onAdd() {
    const box = element("details", null, "phusong-legend leaflet-bar");
    box.open = !window.matchMedia(NARROW).matches;
    this.box = box;
    L.DomEvent.disableClickPropagation(box);
    L.DomEvent.disableScrollPropagation(box);
    this.say();
    return box;
  },

  /** Say what is shown; before the data is unpacked there is nothing to say. */
  say() {
    const { box } = this;
    box.lang = language;
    if (!state.classified) return;
    const { result } = state;
    const title = element("summary", ruleTitle(result));
    title.dir = "auto";
    const parts = [title, element("p", periodOf(result))];
    if (result.boundary.name) parts.push(element("p", t("boundaries: {name}", { name: boundaryName(result) })));
    if (result.boundary.approximate) {
      parts.push(element("p", t("APPROXIMATE shapes, made from centre points"), "phusong-caution"));
    }
    if (result.simulated) parts.push(element("p", t("SIMULATED"), "phusong-simulated"));
    if (!isAdoption(result)) {
      parts.push(this.choice(t("Operator"), result.layers.map(({ operator }) => [operator, operatorName(operator)]), "operator"));
    }
    parts.push(this.choice(t("Shown"), Object.entries(shownOf(result)).map(([key, each]) => [key, each.title()]), "show"));
    parts.push(element("p", t("{shown}; number of {unit}", { shown: state.shown.title(), unit: areaUnit(result) })));
    const list = element("ul");
    for (const [color, hatch, label, count] of legendRows(state)) {
      const item = element("li");
      item.append(swatch(color, hatch), element("span", label), element("b", number(count)));
      list.append(item);
    }
    box.replaceChildren(...parts, list);
  },

  choice(label, pairs, what) {
    const box = element("label", label);
    const select = element("select");
    select.name = what;
    const chosen = what === "operator" ? state.layer.operator : state.show;
    for (const [value, words] of pairs) {
      const option = element("option", words);
      option.value = value;
      option.selected = value === chosen;
      select.append(option);
    }
    select.addEventListener("change", () => {
      this.owner.choose({ [what]: select.value });
      this.box.querySelector(`select[name="${what}"]`).focus();
    });
    box.append(select);
    return box;
  },
});

const CoverageLayer = L.Layer.extend({
  options: { pane: "overlayPane" },

  onAdd(map) {
    const { opacity } = data.chosen;
    // Above every basemap that a reader may choose, below lines and markers.
    this.areas = new AreaLayer(map, { says: doing, opacity, pane: "overlayPane" });
    this.legend = new Legend(this).addTo(map);
    map.on({ mousemove: this.hover, mouseout: this.leave, click: this.read }, this);
    this.ready = this.load();
  },

  onRemove(map) {
    map.off({ mousemove: this.hover, mouseout: this.leave, click: this.read }, this);
    for (const place of Object.values(map.phusongPlaces ?? {})) place.shown?.remove();
    this.legend.remove();
    this.areas.remove();
    this.areas = null;
  },

  /** Give [south-west, north-east], so that a map can be fitted to the layer. */
  getBounds() {
    const [west, south, east, north] = data.shapes[0].home;
    return L.latLngBounds([south, west], [north, east]);
  },

  async load() {
    const [result] = data.results;
    const [shapes] = await Promise.all([loadShapes(result), result.bytes ?? loadValues(result)]);
    Object.assign(state, { result, shapes });
    this.choose({});
  },

  /** Show an operator or a quantity; what does not exist falls back to the first. */
  choose({ operator = state.layer?.operator ?? data.chosen.operator, show = state.show ?? data.chosen.show }) {
    state.layer = layerOf(state.result, operator);
    const shown = shownOf(state.result);
    state.show = Object.hasOwn(shown, show) ? show : Object.keys(shown)[0];
    state.shown = shown[state.show];
    state.classified = classify(state.shapes, state.layer, state.shown);
    // A reader may have taken the layer off while it was unpacked.
    if (!this.areas) return;
    this.areas.draw(state.shapes, state.classified);
    this.legend.say();
  },

  areaAt({ latlng }) {
    const { lat, lng } = latlng.wrap();
    return state.shapes?.at(lat, lng) ?? null;
  },

  hover(event) {
    const area = event.originalEvent.pointerType === "touch" ? null : this.areaAt(event);
    let box = null;
    if (area) {
      box = element("p");
      const name = element("b", area.name || area.code);
      name.dir = "auto";
      box.append(name, element("span", ` ${markOf(state.layer, area).label}`));
    }
    together(this._map, "tooltip", event, box, () => L.tooltip({ offset: [14, 0], direction: "right" }));
  },

  leave() {
    this._map.phusongPlaces?.tooltip?.shown?.remove();
  },

  read(event) {
    const area = this.areaAt(event);
    let box = null;
    if (area) {
      box = element("div");
      describe(box, state.layer, area, "h3");
      box.prepend(element("p", `${ruleTitle(state.result)} · ${whose(state)}`, "where"));
    }
    this.areas.mark(area);
    together(this._map, "popup", event, box, () => L.popup({ minWidth: 200, maxWidth: 320, maxHeight: 320 }));
  },

  /** Tell what is being done and how many areas are drawn, for tests and for the curious. */
  doing: () => ({ ...doing }),
});

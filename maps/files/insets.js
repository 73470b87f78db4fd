"use strict";
// Insets: far parts of the map, drawn small beside it; each leads there.
const INSET_PX = [104, 84];
const insets = [];

/** Make the insets, once; each draws what the map draws. */
function startInsets() {
  for (const { name, extent } of data.insets ?? []) {
    const button = element("button", null, "inset");
    button.type = "button";
    const frame = element("span", null, "inset-map");
    [frame.style.width, frame.style.height] = INSET_PX.map((size) => `${size}px`);
    frame.setAttribute("aria-hidden", "true");
    const label = element("span", name);
    label.dir = "auto";
    button.append(frame, label);
    button.addEventListener("click", () => fit(extent));
    at("insets").append(button);
    at("insets").hidden = false;
    // A phone has no room beside the map: the name alone leads there.
    frame.hidden = window.matchMedia("(max-width: 700px)").matches;
    if (!frame.hidden) insets.push(new AreaLayer(insetMap(frame, extent), { says: {} }));
  }
}

function insetMap(frame, [west, south, east, north]) {
  const still = { zoomControl: false, attributionControl: false, keyboard: false, dragging: false };
  const deaf = { scrollWheelZoom: false, doubleClickZoom: false, boxZoom: false, touchZoom: false, tap: false };
  const made = L.map(frame, { ...still, ...deaf, zoomSnap: 0, fadeAnimation: false, zoomAnimation: false });
  return made.fitBounds([[south, west], [north, east]], { animate: false });
}

/** Show or hide the insets, and let the reader do so. */
function turnInsets(shown) {
  const button = at("turn-insets");
  for (const each of at("insets").querySelectorAll(".inset")) each.hidden = !shown;
  button.setAttribute("aria-expanded", String(shown));
  button.textContent = shown ? "×" : "+";
  button.setAttribute("aria-label", shown ? t("Hide the parts of the map") : t("Show the parts of the map"));
  button.title = button.getAttribute("aria-label");
}

const insetsShown = () => at("turn-insets").getAttribute("aria-expanded") === "true";

/** Draw in every inset what the map draws. */
function drawInsets(shapes, classified) {
  for (const each of insets) each.draw(shapes, classified);
}

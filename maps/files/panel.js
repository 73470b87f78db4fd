"use strict";
// What stands beside the map: the sentence, the card of an area, legend, search, table, about.
const TABLE_ROWS = 300;
const FOUND_ROWS = 8;

/** Fold a text for searching: no case, no diacritics, and d for đ. */
function folded(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("đ", "d").trim();
}

function verdictOf(layer, area) {
  return data.scales.verdict[valueOf(layer, "verdict", area)];
}

/** Give how an area is marked where it is told about: colour, hatching and label. */
function markOf(layer, area) {
  if (isAdoption(layer.result)) return adoptionMark(layer, area);
  const fill = verdictOf(layer, area);
  return { ...fill, label: t(fill.label) };
}

/** Give what is known of an area, as [what, value] pairs. */
function factsOf(layer, area) {
  const value = (name) => valueOf(layer, name, area);
  const facts = [];
  if (value("share") !== null) {
    facts.push([t("Share of places that pass"), percent(value("share"))]);
    if (value("share_low") !== null) {
      facts.push([
        t("{confidence} interval", { confidence: percent(layer.result.confidence, 0) }),
        `${percent(value("share_low"))} – ${percent(value("share_high"))}`,
      ]);
    }
  }
  facts.push([t("Attempts that count"), value("trials") ? number(value("trials")) : t("no attempt")]);
  if (value("trials")) facts.push([t("… of which passed"), number(value("successes"))]);
  if (value("places")) facts.push([t("Places"), number(value("places"))]);
  for (const [name, label, unit] of [
    ["down_mbps_median", t("Median download"), "Mbit/s"],
    ["up_mbps_median", t("Median upload"), "Mbit/s"],
    ["rtt_idle_ms_median", t("Median idle RTT"), "ms"],
  ]) {
    if (value(name) !== null) facts.push([label, `${number(value(name), 1)} ${unit}`]);
  }
  for (const [key, count] of countsOf(layer, "nr", area)) {
    const fill = data.scales.nr.find((each) => each.key === key);
    facts.push([t(fill.label), t("{n} {n:sample|samples}", { n: number(count) })]);
  }
  for (const [reason, count] of countsOf(layer, "excluded", area)) {
    facts.push([t("Not counted: {reason}", { reason: said(reason) }), number(count)]);
  }
  if (value("further_places")) {
    facts.push([t("Further places needed if all pass"), number(value("further_places"))]);
    if (value("further_places_at_share")) {
      facts.push([t("… if the present share holds"), number(value("further_places_at_share"))]);
    }
  }
  if (value("best") !== null) {
    facts.push([t("Best operator"), layer.result.layers[value("best")].operator]);
  }
  if (value("simulated")) {
    facts.push([t("Simulated samples"), t("{n} of {total}", { n: number(value("simulated")), total: number(value("samples")) })]);
  }
  return facts;
}

/** Fill a box with an area's name and facts. */
function describe(box, layer, area, heading) {
  const list = element("dl");
  for (const [what, value] of isAdoption(layer.result) ? adoptionFacts(layer, area) : factsOf(layer, area)) {
    list.append(element("dt", what), element("dd", value));
  }
  const title = element(heading, area.name || area.code);
  title.dir = "auto";
  box.replaceChildren(title);
  const where = [area.parent, area.code === area.name ? null : area.code].filter(Boolean);
  if (where.length) box.append(element("p", where.join(" · "), "where"));
  const fill = markOf(layer, area);
  const mark = element("p", null, "verdict");
  mark.append(swatch(fill.color, fill.hatch), element("b", fill.label));
  box.append(mark, list);
}

/** Count the areas of each verdict. */
function verdictCounts(layer, shapes) {
  const each = new Int32Array(data.scales.verdict.length);
  for (const verdict of valuesOf(layer, "verdict", shapes.areas.length)) each[verdict]++;
  return Object.fromEntries(data.scales.verdict.map(({ key }, index) => [key, each[index]]));
}

/** Say in one sentence what the layer comes to. */
function saySentence(pane, paragraph) {
  const { result, layer, shapes } = pane;
  if (isAdoption(result)) {
    paragraph.textContent = adoptionSentence(pane);
    return;
  }
  const counts = verdictCounts(layer, shapes);
  const total = shapes.areas.length;
  paragraph.textContent = t(
    "Of {total} {unit}, {covered} {covered:is|are} shown to be covered and {not_covered} not to be; {unproven} {unproven:is|are} unproven and {no_data} {no_data:has|have} no data. So between {covered} and {most} {most:is|are} covered.",
    {
      total: number(total),
      unit: areaUnit(result, total),
      covered: number(counts.covered),
      not_covered: number(counts.not_covered),
      unproven: number(counts.unproven),
      no_data: number(counts.no_data),
      most: number(total - counts.not_covered),
    },
  );
}

/** Say what comes first: one figure, and all classes as one bar. */
function sayHeadline(pane) {
  const { result, layer, shapes, shown, classified } = pane;
  const total = shapes.areas.length;
  let [figure, words] = ["–", t("nothing is known of any host")];
  if (!isAdoption(result)) {
    figure = number(verdictCounts(layer, shapes).covered);
    words = t("of {total} {unit} {covered:is|are} proven to be covered", { total: number(total), unit: areaUnit(result, total), covered: figure });
  } else if (result.inputs.judged) {
    figure = percent(result.inputs.with_aaaa / result.inputs.judged);
    words = t("of {total} audited {total:host has|hosts have} an IPv6 address", { total: number(result.inputs.judged) });
  }
  at("headline-figure").textContent = figure;
  at("headline-words").textContent = words;
  at("bar").replaceChildren(
    ...shown.classes().map(({ color, hatch }, index) => {
      const part = element("span");
      part.style.flexGrow = String(classified.counts[index]);
      part.hidden = !classified.counts[index];
      part.style.background = hatch ? `repeating-linear-gradient(135deg, ${hatch} 0 1px, ${color} 1px 4px)` : color;
      return part;
    }),
  );
}

/** Give the legend's rows: colour, hatching, label, number of areas. */
function legendRows({ shown, classified: { counts, hatched } }) {
  const rows = shown.classes().map((each, index) => [each.color, each.hatch, each.label, counts[index]]);
  if (shown.hatching) rows.push(["#ffffff", "#2b2b2b", shown.hatchedLabel(), hatched]);
  return rows;
}

/** Fill the legend with the classes, and how many areas each has. */
function sayLegend(pane, unit, list) {
  unit.textContent = t("{shown}; number of {unit}", {
    shown: pane.shown.title(),
    unit: areaUnit(pane.result),
  });
  list.replaceChildren(
    ...legendRows(pane).map(([color, hatch, label, count]) => {
      const item = element("li");
      item.append(swatch(color, hatch), element("span", label), element("b", number(count)));
      return item;
    }),
  );
}

/** Say when areas are too small to be seen one by one, and what is drawn instead. */
function sayGrouping(grouped) {
  const note = document.getElementById("legend-note");
  note.hidden = !grouped;
  note.textContent = t("Zoomed out, neighbouring {unit} are drawn together in the class that most of them have; the counts are of single ones.", {
    unit: areaUnit(state.result),
  });
}

/** List the areas whose name, parent or code holds what was typed. */
function search(text) {
  const list = document.getElementById("found");
  const none = document.getElementById("not-found");
  const { shapes } = state;
  const wanted = folded(text);
  list.replaceChildren();
  none.textContent = "";
  list.hidden = true;
  if (!wanted) return;
  shapes.folded ??= shapes.areas.map((area) => folded(area.name));
  const rank = (index) => {
    const at = shapes.folded[index].indexOf(wanted);
    return at === 0 ? 0 : at > 0 ? 1 : shapes.areas[index].code.toLowerCase() === wanted ? 0 : 2;
  };
  const hits = [[], []];
  for (let index = 0; index < shapes.areas.length; index++) {
    const place = rank(index);
    if (place < 2) hits[place].push(shapes.areas[index]);
    if (hits[0].length >= FOUND_ROWS) break;
  }
  const found = [...hits[0], ...hits[1]].slice(0, FOUND_ROWS);
  for (const area of found) {
    const button = element("button", area.name);
    button.type = "button";
    button.dir = "auto";
    if (area.parent) button.append(element("small", area.parent));
    button.addEventListener("click", () => {
      list.hidden = true;
      choose(area, true);
    });
    const item = element("li");
    item.append(button);
    list.append(item);
  }
  const elsewhere = site ? namesWith(wanted, FOUND_ROWS - found.length) : [];
  for (const { name, code, within, page } of elsewhere) {
    const link = linkTo(name, page, { chosen: code });
    if (within) link.append(element("small", within));
    const item = element("li");
    item.append(link);
    list.append(item);
  }
  list.hidden = found.length + elsewhere.length === 0;
  if (list.hidden) none.textContent = t("No area has this name.");
}

const writeVerdict = (verdict) => t(data.scales.verdict[verdict].label);
const writeInterval = (low, layer, area) => `${percent(low)} – ${percent(valueOf(layer, "share_high", area))}`;

// Key, heading, what is sorted by, and how a number among that is written.
const COLUMNS = [
  ["name", () => t("Area"), (layer, area) => area.name],
  ["parent", () => t("In"), (layer, area) => area.parent ?? ""],
  ["verdict", () => t("Verdict"), (layer, area) => valueOf(layer, "verdict", area), writeVerdict, "words"],
  ["share", () => t("Share"), (layer, area) => valueOf(layer, "share", area), (share) => percent(share)],
  ["low", () => t("Interval"), (layer, area) => valueOf(layer, "share_low", area), writeInterval],
  ["trials", () => t("Attempts that count"), (layer, area) => valueOf(layer, "trials", area), (count) => number(count)],
  ["places", () => t("Places"), (layer, area) => valueOf(layer, "places", area), (count) => number(count)],
];
const order = { column: "share", down: false };

/** Give the table's columns; beside a second map over the same areas, its verdicts too. */
function columnsNow() {
  const columns = isAdoption(state.result) ? ADOPTION_COLUMNS : COLUMNS;
  if (!other?.layer || !sameAreas()) return columns;
  const own = isAdoption(state.result) ? "share" : "verdict";
  const [, , of, ...written] = columns.find(([key]) => key === own);
  const label = () => (isAdoption(state.result) ? t("Share in B") : t("Verdict in B"));
  return [...columns, ["other", label, (_, area) => of(other.layer, area), ...written]];
}

/** Sort areas by a column; those without a value come last either way. */
function sortedAreas() {
  const { layer, shapes } = state;
  const [, , of] = columnsNow().find(([key]) => key === order.column) ?? COLUMNS[0];
  const compare = new Intl.Collator(LOCALES[language]).compare;
  const rows = shapes.areas.map((area) => [of(layer, area), area]);
  rows.sort(([a, first], [b, second]) => {
    if (a === null || b === null) return (a === null) - (b === null) || first.index - second.index;
    const way = typeof a === "string" ? compare(a, b) : a - b;
    return (order.down ? -way : way) || first.index - second.index;
  });
  return rows.map(([, area]) => area);
}

/** Fill the table: the map's alternative for readers who do not see it. */
function sayTable() {
  const { layer, shapes } = state;
  const head = element("tr");
  const columns = columnsNow();
  for (const [key, label, , write, kind = write ? "number" : ""] of columns) {
    const cell = element("th", null, kind);
    cell.scope = "col";
    const chosen = order.column === key;
    if (chosen) cell.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    const button = element("button", label() + (chosen ? (order.down ? " ↓" : " ↑") : ""));
    button.type = "button";
    button.addEventListener("click", () => {
      order.down = chosen && !order.down;
      order.column = key;
      sayTable();
      document.querySelector(`#table th[aria-sort] button`).focus();
    });
    cell.append(button);
    head.append(cell);
  }
  document.querySelector("#table thead").replaceChildren(head);
  const rows = sortedAreas().slice(0, TABLE_ROWS);
  document.querySelector("#table tbody").replaceChildren(
    ...rows.map((area) => {
      const row = element("tr");
      const name = element("th");
      name.scope = "row";
      name.dir = "auto";
      const button = element("button", area.name || area.code);
      button.type = "button";
      button.addEventListener("click", () => {
        document.getElementById("table-dialog").close();
        choose(area, true);
      });
      name.append(button);
      row.append(name);
      for (const [, , of, write, kind = write ? "number" : ""] of columns.slice(1)) {
        const value = of(layer, area);
        row.append(element("td", write ? dash(value, (known) => write(known, layer, area)) : value, kind));
      }
      return row;
    }),
  );
  document.getElementById("table-note").textContent = t(
    "{rule}; {operator}. The first {shown} of {total} areas; sort by a heading to see others.",
    {
      rule: ruleTitle(state.result),
      operator: whose(state),
      shown: number(rows.length),
      total: number(shapes.areas.length),
    },
  );
}

/** Write a value of a result's inputs: a number, a text, a list or counts by name. */
function plain(value) {
  if (typeof value === "number") return number(value, Number.isInteger(value) ? 0 : 3);
  if (Array.isArray(value)) return value.map(plain).join(", ") || "–";
  if (value === null || typeof value !== "object") return String(value ?? "–");
  const counts = Object.entries(value).map(([name, count]) => `${said(name)}: ${plain(count)}`);
  return counts.join("; ") || "–";
}

/** Give where a rule's figures come from, as [what, value] pairs, and what its verdicts mean. */
function coverageAbout(result) {
  return {
    meaning: t("Covered: the whole interval lies at or above the required share. Not covered: the whole interval lies below it. Unproven: the evidence does not decide. No data: nothing was measured, which is not zero."),
    facts: [
      [t("Rule"), `${ruleTitle(result)} (${result.rule})`],
      [t("Required share"), percent(result.required_share, 1)],
      [t("Confidence"), percent(result.confidence, 0)],
      [t("Computed"), result.computed_at.replace("T", " ").replace("+00:00", " UTC")],
      [t("Software"), result.software],
      ...Object.entries(result.inputs).map(([name, value]) => [said(name), plain(value)]),
    ],
  };
}

/** Fill the about box: where the figures come from and whose work is in the page. */
function sayAbout() {
  const { result, shapes } = state;
  const { facts, meaning } = isAdoption(result) ? adoptionAbout(result) : coverageAbout(result);
  if (result.boundary.id) facts.splice(3, 0, [t("Boundary set"), `${result.boundary.name ?? ""} ${result.boundary.id.slice(0, 16)}`]);
  if (shapes.tolerance_m) facts.push([t("Shapes"), t("simplified for drawing, by about {n} m", { n: number(shapes.tolerance_m) })]);
  const list = element("dl");
  for (const [what, value] of facts) list.append(element("dt", what), element("dd", value));
  const box = document.getElementById("about");
  box.replaceChildren(
    element("p", meaning),
    list,
    element("h3", t("Licences")),
    element("p", t("The map's frame was written by folium (MIT); maps are drawn by Leaflet {version}.", { version: data.leaflet.version })),
    element("pre", data.leaflet.licence),
    element("p", basemapCredit()),
  );
}

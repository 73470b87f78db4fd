"use strict";
// The report: a map and tables from the data block, sorted and filtered here, shown as text only.
const ROWS_AT_A_TIME = 500;
let mostRows = ROWS_AT_A_TIME;
let by = Object.keys(data.groupings)[0];

const count = (value) => (value === null ? "–" : number(value));
const percent = (ratio) => (ratio === null ? "–" : `${number(100 * ratio, 1)}%`);
const meaning = (reason) => t((data.explained[reason] ?? [reason, ""])[0]);
const remedy = (reason) => t((data.explained[reason] ?? ["", ""])[1]);
const fold = (text) =>
  text.toLowerCase().replaceAll("đ", "d").normalize("NFD").replace(/\p{M}/gu, "");
const COLOURS = { green: "●", yellow: "◐", red: "○", grey: "–" };

function colour(name) {
  const words = {
    green: t("complete"),
    yellow: t("in part"),
    red: t("no IPv6"),
    grey: t("not known or no such service"),
  };
  return `${COLOURS[name]} ${words[name]}`;
}

const excluded = (row) =>
  Object.entries(row.excluded).map(([reason, n]) => `${meaning(reason)}: ${number(n)}`).join("; ");

const NAMES = new Map(data.map?.codes.map((code, index) => [code, data.map.names[index]]));

function groupName(key) {
  if (key === "all") return t("all");
  if (by === "province" && NAMES.has(key)) return NAMES.get(key);
  return key || t("(not named)");
}

const SIGNS = ["green", "yellow", "red", "grey"];
const colours = (counts) =>
  SIGNS.filter((name) => counts[name])
    .map((name) => `${COLOURS[name]} ${number(counts[name])}`)
    .join("  ") || "–";

function standing(name) {
  const words = {
    dead: t("an AAAA where nobody answers"),
    none: t("no AAAA"),
    has: t("an AAAA"),
  };
  return words[name] ?? name;
}

const TABLES = {
  groups: {
    rows: () => data.groupings[by],
    columns: () => [
      [t("group"), (row) => groupName(row.group)],
      [t("hosts"), (row) => row.hosts, count],
      [t("judged"), (row) => row.judged, count],
      [t("with IPv6"), (row) => row.with_aaaa, count],
      [t("share"), (row) => row.share, percent],
      [t("tried"), (row) => row.tried, count],
      [t("answered"), (row) => (row.tried ? row.reached : null), count],
      [t("dead"), (row) => (row.tried ? row.dead : null), count],
      [t("score"), (row) => row.score, percent],
      [t("web"), (row) => colours(row.views.web), null, "signs"],
      [t("DNS"), (row) => colours(row.views.dns), null, "signs"],
      [t("mail"), (row) => colours(row.views.mail), null, "signs"],
      [t("left out"), excluded, null, "words"],
    ],
  },
  steps: {
    rows: () => data.mine?.steps ?? [],
    columns: () => [
      [t("host"), (row) => row.host],
      [t("agency"), (row) => row.agency ?? ""],
      [t("before"), (row) => standing(row.before)],
      [t("now"), (row) => standing(row.after)],
    ],
  },
  trend: {
    rows: () => data.trend,
    columns: () => [
      [t("audit"), (row) => row.audit],
      [t("last check"), (row) => row.at.slice(0, 10)],
      [t("hosts"), (row) => row.hosts, count],
      [t("with IPv6"), (row) => row.with_aaaa, count],
      [t("share"), (row) => row.share, percent],
      [t("dead"), (row) => row.dead, count],
      [t("better"), (row) => row.better, count],
      [t("worse"), (row) => row.worse, count],
    ],
  },
  hosts: {
    rows: () => data.hosts.filter((row) => !map?.chosen || row.province === map.chosen),
    columns: () => [
      [t("host"), (row) => row.host],
      [t("agency"), (row) => row.agency ?? ""],
      [t("web"), (row) => colour(row.web)],
      [t("DNS"), (row) => colour(row.dns)],
      [t("mail"), (row) => colour(row.mail)],
      [t("score"), (row) => row.score, percent],
      [t("what was found"), (row) => row.reasons.map(meaning).join("; "), null, "words"],
      [t("what to do"), (row) => row.reasons.map(remedy).filter(Boolean).join(" "), null, "words"],
    ],
  },
};
const order = { groups: null, steps: null, trend: null, hosts: null };

function element(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

function compared(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "number" ? a - b : String(a).localeCompare(String(b), LOCALES[language]);
}

function draw(name) {
  const rows = TABLES[name].rows();
  const shown = TABLES[name].columns();
  const wanted = fold(document.getElementById("filter").value.trim());
  const texts = (row) => fold(shown.map(([, value]) => value(row) ?? "").join(" "));
  let kept = wanted && name !== "trend" ? rows.filter((row) => texts(row).includes(wanted)) : rows;
  const sorting = order[name];
  if (sorting) {
    const value = shown[sorting.column][1];
    kept = [...kept].sort((a, b) => sorting.sign * compared(value(a), value(b)));
  }
  if (name === "hosts") {
    document.getElementById("shown").textContent = t("{shown} of {all} {all:host|hosts} {shown:is|are} shown", {
      shown: number(Math.min(kept.length, mostRows)),
      all: number(data.hosts.length),
    });
    document.getElementById("more").hidden = kept.length <= mostRows;
  }
  const head = element("tr");
  shown.forEach(([title], column) => {
    const cell = element("th");
    cell.scope = "col";
    const active = sorting?.column === column;
    cell.setAttribute("aria-sort", active ? (sorting.sign > 0 ? "ascending" : "descending") : "none");
    const button = element("button", active ? `${title} ${sorting.sign > 0 ? "▲" : "▼"}` : title);
    button.type = "button";
    button.addEventListener("click", () => {
      order[name] = { column, sign: active ? -sorting.sign : 1 };
      draw(name);
      document.querySelectorAll(`#${name} th button`)[column].focus();
    });
    cell.append(button);
    head.append(cell);
  });
  const body = element("tbody");
  for (const row of kept.slice(0, mostRows)) {
    const line = element("tr", undefined, row.dead === true ? "dead" : "");
    shown.forEach(([, value, written, kind], column) => {
      const text = written ? written(value(row)) : value(row);
      const cell = element(column ? "td" : "th", text, kind ?? (written ? "figure" : ""));
      if (!column) cell.scope = "row";
      line.append(cell);
    });
    body.append(line);
  }
  const top = element("thead");
  top.append(head);
  document.getElementById(name).replaceChildren(top, body);
}

const map = data.map
  ? new ProvinceMap(data.map, () => {
      drawProvince();
      draw("hosts");
    })
  : null;
const byProvince = new Map((data.groupings.province ?? []).map((row) => [row.group, row]));

function describe(name, row) {
  if (!row) return t("{name}: no host", { name });
  return t("{name}: {with} of {judged} {judged:host|hosts} with IPv6 ({share}), {dead} dead", {
    name,
    with: number(row.with_aaaa),
    judged: number(row.judged),
    share: percent(row.share),
    dead: number(row.dead),
  });
}

function drawProvince() {
  const { chosen } = map;
  const said = document.getElementById("map-said");
  said.textContent = chosen ? describe(NAMES.get(chosen), byProvince.get(chosen)) : "";
  document.getElementById("everywhere").hidden = !chosen;
}

function drawMap() {
  document.getElementById("map-section").hidden = !map;
  if (!map) return;
  map.show(byProvince, describe);
  drawProvince();
  document.getElementById("approximate").hidden = !data.map.approximate;
  const write = (edge) => `${number(100 * edge)}%`;
  const label = (low, high) => {
    if (low === null) return t("under {high}", { high: write(high) });
    if (high === null) return t("{low} or more", { low: write(low) });
    return t("{low} to under {high}", { low: write(low), high: write(high) });
  };
  const rows = map.classes().map(([color, low, high]) => [color, label(low, high)]);
  rows.push([data.map.scale.none, t("no host, or none is known")]);
  const items = rows.map(([color, text]) => {
    const item = element("li");
    const swatch = svg("svg", { viewBox: "0 0 16 10", "aria-hidden": "true" });
    const border = "#55606a";
    swatch.append(svg("rect", { width: 16, height: 10, fill: color, stroke: border }));
    item.append(swatch, text);
    return item;
  });
  document.getElementById("legend").replaceChildren(...items);
}

function drawChoices() {
  const names = {
    all: t("all"),
    agency: t("agency"),
    bureau: t("bureau"),
    parent: t("parent agency"),
    level: t("level"),
    unit: t("administrative unit"),
    province: t("province"),
  };
  const choices = Object.keys(data.groupings).map((name) => {
    const choice = element("option", names[name]);
    choice.value = name;
    choice.selected = name === by;
    return choice;
  });
  document.getElementById("by").replaceChildren(...choices);
}

function drawChanges() {
  const { mine } = data;
  const shown = Boolean(mine?.since);
  document.getElementById("steps-section").hidden = !shown;
  document.getElementById("audit").textContent = mine
    ? t("Audit {audit}, last check {day}.", { audit: mine.audit, day: mine.at.slice(0, 10) })
    : t("Every host by its newest check.");
  if (!shown) return;
  document.getElementById("steps-said").textContent = t(
    "{worse} worse and {better} better since {audit}.",
    {
      worse: number(mine.worse),
      better: number(mine.steps.length - mine.worse),
      audit: mine.since,
    },
  );
}

function drawAll() {
  document.documentElement.lang = language;
  document.title = t("IPv6 adoption");
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  const other = language === "en" ? "vi" : "en";
  const button = document.getElementById("language");
  button.textContent = LANGUAGES[other];
  button.lang = other;
  const all = data.all;
  const found = {
    with: number(all.with_aaaa),
    judged: number(all.judged),
    share: percent(all.share),
    dead: number(all.dead),
  };
  // Others' lists often tell of addresses only: that nobody was asked is not that all answered.
  document.getElementById("sentence").textContent = all.tried
    ? t("{with} of {judged} {judged:host|hosts} {with:has|have} an IPv6 address ({share}); {dead} {dead:publishes|publish} one where nobody answers.", found)
    : t("{with} of {judged} {judged:host|hosts} {with:has|have} an IPv6 address ({share}); whether {with:it answers|they answer} was not tried.", found);
  const out = excluded(all);
  document.getElementById("left-out").textContent = out ? `${t("Left out")}: ${out}.` : "";
  document.getElementById("scheme").textContent = data.verified
    ? data.scheme[language]
    : `${data.scheme[language]}. ${t("Its points have not been checked against their source.")}`;
  document.getElementById("trend-section").hidden = data.trend.length < 2;
  drawMap();
  drawChoices();
  drawChanges();
  for (const name of Object.keys(TABLES)) draw(name);
}

document.getElementById("filter").addEventListener("input", () => {
  draw("groups");
  draw("hosts");
});
document.getElementById("by").addEventListener("change", (event) => {
  by = event.target.value;
  order.groups = null;
  draw("groups");
});
document.getElementById("everywhere").addEventListener("click", () => map.choose(null));
document.getElementById("more").addEventListener("click", () => {
  mostRows += ROWS_AT_A_TIME;
  draw("hosts");
});
document.getElementById("language").addEventListener("click", () => {
  language = language === "en" ? "vi" : "en";
  drawAll();
});
drawAll();
document.documentElement.dataset.ready = "yes";

"use strict";
// The report: three tables from the data block, sorted and filtered here, shown as text only.
const data = JSON.parse(document.getElementById("data").textContent);
const LANGUAGES = { en: "English", vi: "Tiếng Việt" };
const LOCALES = { en: "en-GB", vi: "vi-VN" };
const MOST_ROWS = 500;
let language = Object.hasOwn(LANGUAGES, data.language) ? data.language : "en";

function t(text, values = {}) {
  const words = data.words[language] ?? {};
  const known = Object.hasOwn(words, text) ? words[text] : text;
  return known.replace(/\{(\w+)\}/g, (whole, name) =>
    Object.hasOwn(values, name) ? String(values[name]) : whole,
  );
}

function number(value, digits = 0) {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(LOCALES[language], options).format(value);
}

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

const TABLES = {
  groups: {
    rows: data.groups,
    columns: () => [
      [t("group"), (row) => (row.group === "all" ? t("all") : row.group || t("(not named)"))],
      [t("hosts"), (row) => row.hosts, count],
      [t("judged"), (row) => row.judged, count],
      [t("with IPv6"), (row) => row.with_aaaa, count],
      [t("share"), (row) => row.share, percent],
      [t("tried"), (row) => row.tried, count],
      [t("answered"), (row) => row.reached, count],
      [t("dead"), (row) => row.dead, count],
      [t("score"), (row) => row.score, percent],
      [t("left out"), excluded],
    ],
  },
  trend: {
    rows: data.trend,
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
    rows: data.hosts,
    columns: () => [
      [t("host"), (row) => row.host],
      [t("agency"), (row) => row.agency ?? ""],
      [t("web"), (row) => colour(row.web)],
      [t("DNS"), (row) => colour(row.dns)],
      [t("mail"), (row) => colour(row.mail)],
      [t("score"), (row) => row.score, percent],
      [t("what was found"), (row) => row.reasons.map(meaning).join("; ")],
      [t("what to do"), (row) => row.reasons.map(remedy).filter(Boolean).join(" ")],
    ],
  },
};
const order = { groups: null, trend: null, hosts: null };

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
  const { rows, columns } = TABLES[name];
  const shown = columns();
  const wanted = fold(document.getElementById("filter").value.trim());
  const texts = (row) => fold(shown.map(([, value]) => value(row) ?? "").join(" "));
  let kept = wanted && name !== "trend" ? rows.filter((row) => texts(row).includes(wanted)) : rows;
  const sorting = order[name];
  if (sorting) {
    const value = shown[sorting.column][1];
    kept = [...kept].sort((a, b) => sorting.sign * compared(value(a), value(b)));
  }
  if (name === "hosts") {
    document.getElementById("shown").textContent = t("{shown} of {all} hosts are shown", {
      shown: number(Math.min(kept.length, MOST_ROWS)),
      all: number(rows.length),
    });
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
  for (const row of kept.slice(0, MOST_ROWS)) {
    const line = element("tr", undefined, row.dead === true ? "dead" : "");
    shown.forEach(([, value, written], column) => {
      const text = written ? written(value(row)) : value(row);
      const cell = element(column ? "td" : "th", text, written ? "figure" : "");
      if (!column) cell.scope = "row";
      line.append(cell);
    });
    body.append(line);
  }
  const top = element("thead");
  top.append(head);
  document.getElementById(name).replaceChildren(top, body);
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
  document.getElementById("sentence").textContent = t(
    "{with} of {judged} hosts have an IPv6 address ({share}); {dead} publish one where nobody answers.",
    {
      with: number(all.with_aaaa),
      judged: number(all.judged),
      share: percent(all.share),
      dead: number(all.dead),
    },
  );
  const out = excluded(all);
  document.getElementById("left-out").textContent = out ? `${t("Left out")}: ${out}.` : "";
  document.getElementById("scheme").textContent = data.verified
    ? data.scheme[language]
    : `${data.scheme[language]}. ${t("Its points have not been checked against their source.")}`;
  document.getElementById("trend-section").hidden = data.trend.length < 2;
  for (const name of Object.keys(TABLES)) draw(name);
}

document.getElementById("filter").addEventListener("input", () => {
  draw("groups");
  draw("hosts");
});
document.getElementById("language").addEventListener("click", () => {
  language = language === "en" ? "vi" : "en";
  drawAll();
});
drawAll();
document.documentElement.dataset.ready = "yes";

"use strict";
// What the page says of results, areas and times.

/** Give a short name from the data (a reason, a threshold, an input) as words. */
function said(name) {
  return Object.hasOwn(data.named, name) ? t(data.named[name]) : name.replaceAll("_", " ");
}

/** Give a ratio as a percentage. One short of 1 is never written as 100 %. */
function percent(ratio, digits = 1) {
  const text = number(ratio * 100, digits);
  const short = ratio < 1 && text === number(100, digits);
  return short ? `>${number(100 - 10 ** -digits, digits)}%` : `${text}%`;
}

/** Give the day of an ISO time as it stands there: times are UTC. */
function day(iso) {
  const [year, month, date] = iso.slice(0, 10).split("-");
  return language === "vi" ? `${date}/${month}/${year}` : `${year}-${month}-${date}`;
}

/** Give the last day of a period, whose end is not part of it. */
function lastDay(iso) {
  return day(new Date(Date.parse(iso) - 1).toISOString());
}

/** Give a result's period in words; without one, the days of its first and last sample. */
function periodOf({ period: [start, end], inputs: { first_sample: first, last_sample: last } }) {
  if (start && end && day(start) === lastDay(end)) return `${day(start)} (UTC)`;
  if (start && end) return t("{start} to {end} (UTC)", { start: day(start), end: lastDay(end) });
  if (start) return t("from {start} (UTC)", { start: day(start) });
  if (end) return t("until {end} (UTC)", { end: lastDay(end) });
  if (first && last) return t("all dates: {start} to {end} (UTC)", { start: day(String(first)), end: day(String(last)) });
  return t("all dates");
}

/** Give the name of a result's boundaries with their vintage, or nothing. */
function boundaryName({ boundary: { name, vintage } }) {
  return name && vintage ? `${name} (${vintage})` : name;
}

function ruleTitle(result) {
  return result.title[language] || result.title.en || result.rule;
}

function operatorName(operator) {
  return operator === "any" ? t("Any operator (the best)") : operator;
}

/** Give what so many areas are: commune, communes, H3 cells. */
function areaUnit(result, count = null) {
  const cell = /^h3:(\d+)$/.exec(result.area);
  if (cell) return t("{count:H3 cell|H3 cells} (resolution {n})", { count, n: cell[1] });
  const units = {
    village: t("{count:village|villages}", { count }),
    commune: t("{count:commune|communes}", { count }),
    district: t("{count:district|districts}", { count }),
    county: t("{count:county|counties}", { count }),
    province: t("{count:province|provinces}", { count }),
    state: t("{count:state|states}", { count }),
    country: t("{count:country|countries}", { count }),
  };
  return Object.hasOwn(units, result.area) ? units[result.area] : t("{count:area|areas}", { count });
}

/** Make an element; texts go in as text, whatever they hold. */
function element(name, text = null, className = "") {
  const made = document.createElement(name);
  if (text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Say again what stands in the page itself, after a change of language. */
function sayPage() {
  document.documentElement.lang = language;
  for (const each of document.querySelectorAll("[data-t]")) {
    each.textContent = t(each.dataset.t);
  }
  for (const each of document.querySelectorAll("[data-t-label]")) {
    each.setAttribute("aria-label", t(each.dataset.tLabel));
  }
  for (const each of document.querySelectorAll("[data-t-hint]")) {
    each.title = t(each.dataset.tHint);
  }
  const other = language === "en" ? "vi" : "en";
  const button = document.getElementById("language");
  button.textContent = LANGUAGES[other];
  button.lang = other;
}

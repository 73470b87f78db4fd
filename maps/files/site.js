"use strict";
// A page of a site: where it stands among the others, and the files that it fetches when needed.
const site = data.site ?? null;
const arriving = new Map();
let siteNames = null;

/** Run a script of the site's own; what it brings calls one of the functions below. */
function fetchScript(file) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = site.root + file;
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error(t("{file} of this site could not be read.", { file }))));
    document.head.append(script);
  });
}

/** Give the text of a pack that stands in a file of its own. */
async function fetchPack(id) {
  await fetchScript(`${site.packs}${id}.js`);
  const text = arriving.get(id);
  arriving.delete(id);
  return text;
}

function packArrived(id, text) {
  arriving.set(id, text);
}

function namesArrived(rows) {
  siteNames = rows.map(([name, code, within, page]) => ({ name, code, within, page, folded: folded(name) }));
}

/** Read the names of areas on other pages, once. */
async function loadNames() {
  if (!site?.names || siteNames) return;
  loadNames.loading ??= fetchScript(site.names).catch(sayTrouble);
  await loadNames.loading;
}

/** Say that something could not be read; what is on the map stays. */
function sayTrouble(error) {
  at("trouble").textContent = error.message;
  at("trouble").hidden = false;
}

/** Give areas on other pages whose name begins with or holds what was typed, or whose code it is. */
function namesWith(wanted, most) {
  const hits = [[], []];
  for (const each of siteNames ?? []) {
    const at = each.folded.indexOf(wanted);
    if (at === 0 || each.code.toLowerCase() === wanted) hits[0].push(each);
    else if (at > 0 && hits[1].length < most) hits[1].push(each);
    if (hits[0].length >= most) break;
  }
  return [...hits[0], ...hits[1]].slice(0, most);
}

/** Give the address of another page of the site, by its number, with what is chosen on this one. */
function addressOf(page, more = {}) {
  const { result, layer, show } = state;
  const chosen = { rule: result.rule, period: periodKey(result), operator: layer.operator, show, lang: language, ...besides(), ...beneathChosen() };
  const file = page ? `areas/${page}.html` : "index.html";
  return `${site.root}${file}#${new URLSearchParams({ ...chosen, ...more })}`;
}

function linkTo(text, page, more) {
  const link = element("a", text);
  link.dir = "auto";
  link.href = addressOf(page, more);
  return link;
}

/** Say where this page stands: what its areas lie in, the outermost first. */
function sayPlace() {
  if (!site) return;
  const list = element("ol");
  const steps = site.here === null ? [] : [[t("Whole map"), 0], ...site.place];
  for (const [title, page] of steps) {
    const item = element("li");
    item.append(linkTo(title || t("Elsewhere"), page));
    list.append(item);
  }
  if (site.here !== null) {
    const item = element("li", site.here || t("Elsewhere"));
    item.dir = "auto";
    item.setAttribute("aria-current", "page");
    list.append(item);
  }
  for (const page of site.beside) {
    const item = element("li");
    item.append(linkTo(t("Areas that lie in none of these"), page));
    list.append(item);
  }
  at("place").hidden = !list.childElementCount;
  at("place").replaceChildren(list);
}

/** Give the link from an area to the page of what lies in it, or null. */
function linkInto(area) {
  if (!site || !Object.hasOwn(site.inside, area.code)) return null;
  const page = site.inside[area.code];
  const link = linkTo(t("Open {name} in detail", { name: site.titles[page] || t("Elsewhere") }), page, { chosen: area.code });
  link.className = "into";
  return link;
}

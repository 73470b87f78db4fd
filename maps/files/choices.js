"use strict";
// What can be chosen on a map: rule, period, operator and quantity, and what follows from a choice.

/** Put a result, operator and quantity into what a map shows; what it left is remembered. */
function turnTo(pane, result, operator, quantity, shown = shownOf(result)) {
  if (pane.layer && isAdoption(pane.result) !== isAdoption(result)) {
    pane.left = { result: pane.result, operator: pane.layer.operator };
  }
  pane.result = result;
  pane.layer = layerOf(result, operator ?? pane.left?.operator);
  pane.show = Object.hasOwn(shown, quantity) ? quantity : Object.keys(shown)[0];
  pane.shown = shown[pane.show];
}

/** Give what shows a quantity: what a map shows already, or the other kind of map of these areas. */
function withQuantity(pane, quantity) {
  const showing = data.results.filter((each) => Object.hasOwn(shownOf(each), quantity));
  if (showing.includes(pane.result) || !showing.length) return { quantity };
  if (pane.left) return { ...pane.left, quantity };
  // An audit is shown first over the areas that hold most of its hosts; else over the same areas.
  const beside = (each) => (each.outside ?? []).reduce((sum, [, count]) => sum + count, 0);
  const least = Math.min(...showing.map(beside));
  const best = showing.filter((each) => beside(each) === least);
  const result = best.find((each) => each.shapes === pane.result.shapes) ?? best.find((each) => each.area === pane.result.area) ?? best[0];
  return { result, operator: "any", quantity };
}

function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, label]) => choiceOf(value, label, value === chosen)));
}

function choiceOf(value, label, chosen) {
  const option = element("option", label);
  option.value = value;
  option.selected = chosen;
  return option;
}

/** Fill the choice of what is shown: of coverage and, where hosts were audited, of adoption too. */
function sayShown(select, { result, show }, own) {
  const kinds = [[t("Coverage"), SHOWN, false], [t("IPv6 adoption"), ADOPTED, true]];
  const groups = kinds.filter(([, , adopted]) => data.results.some((each) => isAdoption(each) === adopted));
  const filled = groups.map(([label, shown, adopted]) => {
    const mine = isAdoption(result) === adopted;
    const choices = Object.entries(mine ? own : shown).map(([key, each]) => choiceOf(key, each.title(), mine && key === show));
    const group = element("optgroup");
    group.label = label;
    group.append(...choices);
    return groups.length > 1 ? [group] : choices;
  });
  select.replaceChildren(...filled.flat());
}

const placeOf = (result) => String(data.results.indexOf(result));

/** Tell whether two results differ in their period only. */
function isAlike(one, other) {
  return one.rule === other.rule && one.area === other.area && one.shapes === other.shapes;
}

/** Give the result of a rule for the period that a map shows, or else its first. */
function samePeriod(first, { result }) {
  const alike = data.results.filter((each) => isAlike(each, first));
  return alike.find((each) => periodOf(each) === periodOf(result)) ?? alike[0];
}

/** Fill the choices of a map; those of the second one have names that begin with `prefix`. */
function sayChoices(pane, prefix = "", shown = shownOf(pane.result)) {
  const { result, layer } = pane;
  const kinds = data.results.filter((each, index) => data.results.findIndex((one) => isAlike(one, each)) === index);
  const kind = kinds.find((each) => isAlike(each, result));
  const titleOf = (each) => `${ruleTitle(each)} – ${areaUnit(each)}`;
  // The same rule over old and new boundaries: only their vintage tells them apart.
  const fullTitle = (each) =>
    kinds.filter((one) => titleOf(one) === titleOf(each)).length < 2 ? titleOf(each) : `${titleOf(each)}, ${boundariesOf(each)}`;
  options(at(`${prefix}result`), kinds.map((each) => [placeOf(each), fullTitle(each)]), placeOf(kind));
  const periods = data.results.filter((each) => isAlike(each, result));
  options(at(`${prefix}period`), periods.map((each) => [placeOf(each), periodOf(each)]), placeOf(result));
  at(`${prefix}period`).hidden = at(`${prefix}period-label`).hidden = periods.length < 2;
  options(at(`${prefix}operator`), result.layers.map((each) => [each.operator, operatorName(each.operator)]), layer.operator);
  // An audit has no operators.
  at(`${prefix}operator`).hidden = at(`${prefix}operator-label`).hidden = isAdoption(result);
  sayShown(at(`${prefix}show`), pane, shown);
}

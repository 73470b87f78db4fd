"use strict";
// IPv6 adoption by area: what an audit of public hosts found. It has no requirement, so there is
// no verdict; an area in which nobody was audited has no figure, which is not zero.
const ADOPTION = "ipv6-adoption";
const SERVICES = ["web", "dns", "mail"];

const isAdoption = (result) => result.kind === ADOPTION;

/** Give a share of every area: `top` counts of `of` counts, NaN where there is none to count. */
function sharesOf(layer, total, top, of) {
  const sum = (names) => names.map((name) => valuesOf(layer, name, total)).reduce((a, b) => a.map((n, i) => n + b[i]));
  const [above, below] = [sum(top), sum(of)];
  return above.map((count, index) => (below[index] > 0 ? count / below[index] : NaN));
}

function shareClasses(none) {
  return [...stepClasses(data.scales.steps.adoption, (edge) => number(edge * 100), "%"), noData(none)];
}

/** Make a quantity that is a share; `whole` counts those that are not known among them. */
function shareShown(title, none, top, of, whole = null) {
  const classOf = (share) => {
    const { edges, colors } = data.scales.steps.adoption;
    return Number.isNaN(share) ? colors.length : classByEdges(edges, share);
  };
  return {
    title,
    classes: () => shareClasses(none()),
    shares: (layer, total) => sharesOf(layer, total, top, of),
    indices: (layer, total) => Uint8Array.from(sharesOf(layer, total, top, of), classOf),
    hatchedLabel: () => t("hatched: hosts that are not known could change the class (among the above)"),
    // Were all of the unknown ones with it, or all without it, the class would be another one.
    hatching: whole && ((layer, total) => {
      const [low, known, all] = [sharesOf(layer, total, top, [whole]), valuesOf(layer, of[0], total), valuesOf(layer, whole, total)];
      return Uint8Array.from(low, (share, index) => {
        if (!(known[index] > 0)) return 0;
        return classOf(share) === classOf(share + (all[index] - known[index]) / all[index]) ? 0 : 1;
      });
    }),
  };
}

const serviceShown = (service, title) =>
  shareShown(title, () => t("No host with this service, or none that is known"), [`${service}_green`], ["green", "yellow", "red"].map((colour) => `${service}_${colour}`));

// What can be shown of an audit.
const ADOPTED = {
  adopted: shareShown(() => t("IPv6 adoption: share of hosts with an address"), () => t("No audited host, or none that is known"), ["with_aaaa"], ["judged"], "hosts"),
  answering: shareShown(() => t("IPv6: share of those with an address that answer"), () => t("None could be tried"), ["reached"], ["tried"], "with_aaaa"),
  web: serviceShown("web", () => t("IPv6 of web: complete")),
  dns: serviceShown("dns", () => t("IPv6 of DNS: complete")),
  mail: serviceShown("mail", () => t("IPv6 of mail: complete")),
  hosts: {
    title: () => t("Number of audited hosts"),
    classes: () => [...stepClasses(data.scales.steps.hosts, (edge) => number(edge), ""), noData(t("No audited host"))],
    indices: byEdges("hosts", "hosts", 1),
  },
};

const shownOf = (result) => (isAdoption(result) ? ADOPTED : SHOWN);

const partOf = (count, of) => t("{n} of {total} ({share})", { n: number(count), total: number(of), share: percent(count / of) });

/** Give what an audit found in an area, as [what, value] pairs. */
function adoptionFacts(layer, area) {
  const value = (name) => valueOf(layer, name, area) ?? 0;
  const { audit, period } = layer.result;
  const when = [t("Audit"), `${audit}, ${lastDay(period[1])}`];
  if (!value("hosts")) return [[t("Audited hosts"), t("none, so there is no figure")], when];
  const [hosts, judged, having] = ["hosts", "judged", "with_aaaa"].map(value);
  const facts = [[t("Audited hosts"), number(hosts)]];
  if (judged) facts.push([t("With an IPv6 address, of those known"), partOf(having, judged)]);
  if (judged && judged < hosts) {
    facts.push([t("Between, whatever the unknown ones are"), `${percent(having / hosts)} – ${percent((having + hosts - judged) / hosts)}`]);
  }
  for (const [reason, count] of countsOf(layer, "excluded", area)) {
    facts.push([t("Not known: {reason}", { reason: layer.result.reasons[reason][language] }), number(count)]);
  }
  facts.push([t("Answer over IPv6, of those tried"), value("tried") ? partOf(value("reached"), value("tried")) : t("nobody was tried")]);
  if (value("tried") || value("dead")) facts.push([t("An address where nobody answers"), number(value("dead"))]);
  const names = { web: "Web", dns: "DNS", mail: t("Mail") };
  for (const service of SERVICES) {
    const [green, yellow, red, grey] = ["green", "yellow", "red", "grey"].map((colour) => number(value(`${service}_${colour}`)));
    facts.push([names[service], t("{green} complete, {yellow} in part, {red} without, {grey} not known", { green, yellow, red, grey })]);
  }
  return [...facts, when];
}

/** Give how an area's adoption is marked: colour and label of its class. */
function adoptionMark(layer, area) {
  const total = layer.rowOf.length;
  const none = { ...noData(t("No audited host, or none that is known")) };
  const judged = valueOf(layer, "judged", area);
  if (!judged || area.index >= total) return none;
  const share = valueOf(layer, "with_aaaa", area) / judged;
  const { edges, colors } = data.scales.steps.adoption;
  return { color: colors[classByEdges(edges, share)], hatch: null, label: t("{share} with an IPv6 address", { share: percent(share) }) };
}

/** Say in a few sentences what an audit comes to. */
function adoptionSentence({ result, layer, shapes }) {
  const { inputs, outside } = result;
  const total = shapes.areas.length;
  const withHosts = valuesOf(layer, "hosts", total).filter((count) => count > 0).length;
  const parts = [
    t("Of {total} {unit}, {with_hosts} {with_hosts:has|have} audited hosts.", {
      total: number(total),
      unit: areaUnit(result, total),
      with_hosts: number(withHosts),
    }),
  ];
  if (withHosts < total) parts.push(t("The {others:other has|others have} no figure.", { others: total - withHosts }));
  if (inputs.judged) {
    parts.push(t("Of {judged} {judged:host|hosts} of which it is known, {having} {having:has|have} an IPv6 address ({share}).", {
      judged: number(inputs.judged),
      having: number(inputs.with_aaaa),
      share: percent(inputs.with_aaaa / inputs.judged),
    }));
  }
  if (inputs.tried) {
    parts.push(t("Of {tried} that {tried:was|were} tried, {reached} answered; {dead} {dead:publishes|publish} an address where nobody answers.", {
      tried: number(inputs.tried),
      reached: number(inputs.reached),
      dead: number(inputs.dead),
    }));
  }
  const unknown = inputs.hosts - inputs.judged;
  if (unknown) parts.push(t("Of {n} it is not known.", { n: number(unknown) }));
  for (const [reason, count] of outside) {
    parts.push(t("{n} {n:host stands|hosts stand} in no area: {reason}.", { n: number(count), reason: reason[language] }));
  }
  return parts.join(" ");
}

const dash = (value, write) => (value === null || Number.isNaN(value) ? "–" : write(value));

const ADOPTION_COLUMNS = [
  ["name", () => t("Area"), (layer, area) => area.name],
  ["parent", () => t("In"), (layer, area) => area.parent ?? ""],
  ["share", () => t("With an IPv6 address"), (layer, area) => (valueOf(layer, "judged", area) ? valueOf(layer, "with_aaaa", area) / valueOf(layer, "judged", area) : null), (share) => percent(share)],
  ["judged", () => t("Of hosts known"), (layer, area) => valueOf(layer, "judged", area) ?? null, (count) => number(count)],
  ["hosts", () => t("Audited hosts"), (layer, area) => valueOf(layer, "hosts", area) ?? null, (count) => number(count)],
  ["reached", () => t("Answer"), (layer, area) => (valueOf(layer, "tried", area) ? valueOf(layer, "reached", area) : null), (count) => number(count)],
  ["dead", () => t("Nobody answers"), (layer, area) => valueOf(layer, "dead", area) ?? null, (count) => number(count)],
];

/** Give what the about box says of an audit, as [what, value] pairs, and what its share means. */
function adoptionAbout(result) {
  const { inputs } = result;
  const names = { hosts: t("Audited hosts"), judged: t("Of hosts known"), with_aaaa: t("With an IPv6 address"), tried: t("Tried over IPv6"), reached: t("Answer"), dead: t("Nobody answers") };
  return {
    meaning: t("Adoption: hosts with a usable IPv6 address, of those of which it is known. What is not known is left out and counted. A host counts in the area of its agency, by the code in the audited list, and not in the area where its server stands. An area without an audited host has no figure, which is not zero."),
    facts: [
      [t("Audit"), result.audit],
      [t("First and last check"), periodOf(result)],
      ...Object.entries(names).map(([name, label]) => [label, number(inputs[name])]),
      ...result.outside.map(([reason, count]) => [t("In no area: {reason}", { reason: reason[language] }), number(count)]),
    ],
  };
}

/** Give for every area how its share of adoption went from one audit to another, by class. */
function adoptionChanges(before, after, total, names) {
  const [was, is] = [before, after].map((layer) => ADOPTED.adopted.shares(layer, total));
  return Uint8Array.from(was, (share, index) => {
    const [had, has] = [!Number.isNaN(share), !Number.isNaN(is[index])];
    if (had && has) return names.indexOf(is[index] > share ? "better" : is[index] < share ? "worse" : "same");
    return names.indexOf(has ? "settled" : had ? "unsettled" : "neither");
  });
}

const ADOPTION_CHANGES = {
  better: () => t("A higher share in B"),
  settled: () => t("A figure in B only"),
  same: () => t("The same share"),
  unsettled: () => t("A figure in A only"),
  worse: () => t("A lower share in B"),
  neither: () => t("No figure in either"),
};

/** Give whose figures a map shows: an operator's, or an audit's. */
const whose = ({ result, layer }) => (isAdoption(result) ? t("audit {audit}", { audit: result.audit }) : operatorName(layer.operator));

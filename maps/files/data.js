"use strict";
// Where a page has its data, and where it says what it is doing. A layer on somebody's own map has
// another file in place of this one.
// What the pages of a site share stands in a file of its own, which was read before this one.
const data = { ...window.phusongShared, ...JSON.parse(document.getElementById("data").textContent) };
const packText = (id) => document.getElementById(id)?.textContent;
const doing = document.documentElement.dataset;

"use strict";
// Where a layer on somebody's own map has its data: in the call that makes it.
const data = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(given), (each) => each.charCodeAt(0))));
const packText = (id) => packs[Number(id.slice("pack-".length))];
const doing = {};

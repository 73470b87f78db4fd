"use strict";
// The map as a picture: what is seen, under its title, with the legend, the caution that samples
// are simulated, and the date; so that it still says what it is when it is passed on alone.
const PICTURE_FONT = 'system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
const PICTURE_EDGE = 16;

/** Give a map, with what belongs to it, as a canvas. */
function picture(container, pane) {
  const frame = container.getBoundingClientRect();
  const ratio = Math.max(1, window.devicePixelRatio || 1);
  const made = element("canvas");
  const pen = made.getContext("2d");
  const lines = pictureLines(pen, frame.width - 2 * PICTURE_EDGE, pane, container);
  const { rows, columns, wide } = pictureLegend(pen, frame.width - 2 * PICTURE_EDGE, pane);
  const head = lines.reduce((sum, line) => sum + line.high, PICTURE_EDGE);
  const foot = Math.ceil(rows.length / columns) * 24 + 2 * PICTURE_EDGE;
  made.width = Math.round(frame.width * ratio);
  made.height = Math.round((head + frame.height + foot) * ratio);
  pen.scale(ratio, ratio);
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, frame.width, head + frame.height + foot);
  let y = PICTURE_EDGE / 2;
  for (const { text, font, high, color, back } of lines) {
    if (back) {
      pen.fillStyle = back;
      pen.fillRect(0, y, frame.width, high);
    }
    pen.fillStyle = color;
    pen.font = font;
    pen.fillText(text, PICTURE_EDGE, y + high * 0.72);
    y += high;
  }
  pen.save();
  pen.beginPath();
  pen.rect(0, head, frame.width, frame.height);
  pen.clip();
  pen.fillStyle = data.scales.sea;
  pen.fillRect(0, head, frame.width, frame.height);
  const hasBasemap = drawBasemap(pen, container, frame, head);
  drawCanvases(pen, container, frame, head, hasBasemap);
  if (pane === state) pictureInsets(pen, frame, head);
  pen.restore();
  rows.forEach(({ color, hatch, mark, text }, index) => {
    const x = PICTURE_EDGE + (index % columns) * wide;
    const top = head + frame.height + PICTURE_EDGE + Math.floor(index / columns) * 24;
    pen.drawImage(mark ?? swatch(color, hatch), x, top, ...SWATCH_PX);
    pen.fillStyle = "#1b1f23";
    pen.font = `14px ${PICTURE_FONT}`;
    pen.fillText(text, x + 36, top + 14);
  });
  return made;
}

/** Draw the insets where they stand on the map, each with its name. */
function pictureInsets(pen, frame, head) {
  for (const inset of at("insets").querySelectorAll(".inset")) {
    const box = inset.getBoundingClientRect();
    const map = inset.querySelector(".inset-map");
    if (!box.width || map.hidden) continue;
    const [left, top] = [box.left - frame.left, head + box.top - frame.top];
    const inner = map.getBoundingClientRect();
    const [x, y] = [inner.left - frame.left, head + inner.top - frame.top];
    pen.fillStyle = "#ffffff";
    pen.fillRect(left, top, box.width, box.height);
    pen.strokeStyle = data.scales.border;
    pen.lineWidth = 1;
    pen.strokeRect(left + 0.5, top + 0.5, box.width - 1, box.height - 1);
    pen.save();
    pen.beginPath();
    pen.rect(x, y, inner.width, inner.height);
    pen.clip();
    pen.fillStyle = data.scales.sea;
    pen.fillRect(x, y, inner.width, inner.height);
    drawCanvases(pen, map, frame, head, drawBasemap(pen, map, frame, head));
    pen.restore();
    pen.fillStyle = "#1b1f23";
    pen.font = `12px ${PICTURE_FONT}`;
    pen.textAlign = "center";
    pen.fillText(inset.textContent, left + box.width / 2, y + inner.height + 15, box.width - 6);
    pen.textAlign = "start";
  }
}

function drawCanvases(pen, container, frame, head, hasBasemap) {
  for (const canvas of container.querySelectorAll("canvas")) {
    const box = canvas.getBoundingClientRect();
    if (!box.width || !canvas.width) continue;
    pen.globalAlpha = hasBasemap ? Number(canvas.closest(".leaflet-layer")?.style.opacity || 1) : 1;
    pen.drawImage(canvas, box.left - frame.left, head + box.top - frame.top, box.width, box.height);
  }
}

function pictureLines(pen, width, pane, container) {
  const { result, shown } = pane;
  const plain = { color: "#1b1f23", back: null };
  const lines = [];
  const add = (text, font, high, look = plain) => {
    if (!text) return;
    pen.font = font;
    for (const part of wrapped(pen, text, width)) lines.push({ text: part, font, high, ...look });
  };
  add(at("title").textContent, `700 20px ${PICTURE_FONT}`, 27);
  add([ruleTitle(result), periodOf(result), boundariesOf(result)].join(" · "), `14px ${PICTURE_FONT}`, 20);
  add([whose(pane), shown.title()].join(" · "), `14px ${PICTURE_FONT}`, 20);
  for (const id of ["approximate", "indication", "unverified"]) {
    if (!at(id).hidden) add(at(id).textContent, `700 14px ${PICTURE_FONT}`, 20);
  }
  add(basemapLine(container), `14px ${PICTURE_FONT}`, 20);
  if (result.simulated) {
    const band = element("p");
    sayBand(band, result);
    add(band.textContent, `700 15px ${PICTURE_FONT}`, 26, { color: "#ffffff", back: "#b5179e" });
  }
  return lines;
}

function pictureLegend(pen, width, pane) {
  const rows = legendRows(pane).map(([color, hatch, label, count]) => ({ color, hatch, text: `${label}: ${number(count)}` }));
  if (data.points && at("points-on").checked) {
    // The marks of points as the page's own legend has them.
    for (const item of at("points-legend").children) {
      const [mark, label, count] = item.children;
      rows.push({ mark, text: `${label.textContent}: ${count.textContent}` });
    }
  }
  pen.font = `14px ${PICTURE_FONT}`;
  const wide = Math.max(...rows.map(({ text }) => pen.measureText(text).width)) + 60;
  return { rows, wide, columns: Math.max(1, Math.floor(width / wide)) };
}

/** Cut a text into lines that fit; a word that does not is cut off with an ellipsis. */
function wrapped(pen, text, width) {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const longer = `${lines[lines.length - 1]} ${word}`.trim();
    if (pen.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(pen.measureText(word).width <= width ? word : `${[...word].slice(0, 40).join("")}…`);
  }
  return lines.filter(Boolean).slice(0, 4);
}

/** Give two pictures beside each other. */
function beside(left, right) {
  const made = element("canvas");
  made.width = left.width + right.width;
  made.height = Math.max(left.height, right.height);
  const pen = made.getContext("2d");
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, made.width, made.height);
  pen.drawImage(left, 0, 0);
  pen.drawImage(right, left.width, 0);
  return made;
}

/** Save what is seen, one map or two, as a PNG file. */
function savePicture() {
  const first = picture(map.getContainer(), state);
  const seen = other ? beside(first, picture(other.map.getContainer(), other)) : first;
  seen.toBlob((blob) => {
    const link = element("a");
    link.href = URL.createObjectURL(blob);
    link.download = "phusong.png";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }, "image/png");
}

"use strict";
// Packs: columns of whole numbers, in base64 and compressed, undone one by one when needed.
const KEPT_PACKS = 4; // the latest ones stay open: a country's period takes some megabytes
const opened = new Map();
const NOTHING = -(2 ** 31);
const decoder = new TextDecoder();

/** Give a pack's bytes; what was opened long ago is closed again. */
async function openPack(id) {
  const found = opened.get(id) ?? inflate(await arrived(id));
  opened.delete(id);
  opened.set(id, found);
  if (opened.size > KEPT_PACKS) opened.delete(opened.keys().next().value);
  return found;
}

/** Give a pack's text; what a page does not show first stands behind its scripts, or in a file. */
async function arrived(id) {
  if (!packText(id) && document.readyState === "loading") {
    await new Promise((parsed) => document.addEventListener("DOMContentLoaded", parsed, { once: true }));
  }
  return packText(id) ?? fetchPack(id);
}

async function inflate(text) {
  const stream = new Blob([fromBase64(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const decoded = atob(text);
  const bytes = new Uint8Array(decoded.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = decoded.charCodeAt(i);
  return bytes;
}

/** Give one column as it stands: numbers, with -1 for nothing in `n` and NOTHING in `s`, or texts. */
function column(bytes, columns, name) {
  const [kind, width, offset, length, count] = columns[name];
  if (kind === "t") return JSON.parse(decoder.decode(bytes.subarray(offset, offset + length)));
  const numbers = width ? planes(bytes, offset, count, width) : varints(bytes, offset, count);
  if (kind === "n") for (let i = 0; i < count; i++) numbers[i]--;
  if (kind === "z") for (let i = 0; i < count; i++) numbers[i] = signed(numbers[i]);
  if (kind === "s") for (let i = 0; i < count; i++) numbers[i] = numbers[i] ? signed(numbers[i] - 1) : NOTHING;
  return numbers;
}

const signed = (number) => (number >>> 1) ^ -(number & 1);

function planes(bytes, offset, count, width) {
  const numbers = Int32Array.from(bytes.subarray(offset, offset + count));
  if (width > 1) for (let i = 0; i < count; i++) numbers[i] |= bytes[offset + count + i] << 8;
  return numbers;
}

function varints(bytes, offset, count) {
  const numbers = new Int32Array(count);
  for (let i = 0, at = offset; i < count; i++) {
    let byte = bytes[at++];
    let number = byte & 127;
    for (let shift = 7; byte > 127; shift += 7) {
      byte = bytes[at++];
      number |= (byte & 127) << shift;
    }
    numbers[i] = number;
  }
  return numbers;
}

/** Turn steps from one number to the next into the numbers. */
function summed(steps) {
  for (let i = 1; i < steps.length; i++) steps[i] += steps[i - 1];
  return steps;
}

/** Turn counts into where each begins, with the end of the last. */
function startsOf(counts) {
  const starts = new Int32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) starts[i + 1] = starts[i] + counts[i];
  return starts;
}

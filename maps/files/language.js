"use strict";
// The reader's language: texts and numbers in it. An English text is the key of its translation.
const LANGUAGES = { en: "English", vi: "Tiếng Việt" };
const LOCALES = { en: "en-GB", vi: "vi-VN" };
let language = Object.hasOwn(LANGUAGES, data.language) ? data.language : "en";

/** Give a text in the reader's language, with its {values} filled in; {n:place|places} chooses by n. */
function t(text, values = {}) {
  const words = data.words[language] ?? {};
  const known = Object.hasOwn(words, text) ? words[text] : text;
  return known.replace(/\{(\w+)(?::([^{}|]*)\|([^{}|]*))?\}/g, (whole, name, one, many) => {
    if (many !== undefined) return String(values[name]) === "1" ? one : many;
    return Object.hasOwn(values, name) ? String(values[name]) : whole;
  });
}

const formats = new Map();

function number(value, digits = 0) {
  const key = `${language} ${digits}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.NumberFormat(LOCALES[language], { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  }
  return formats.get(key).format(value);
}

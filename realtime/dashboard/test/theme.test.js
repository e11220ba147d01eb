import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const css = readFileSync(new URL("../src/theme.css", import.meta.url), "utf8").replace(/\/\*.*?\*\//gs, "");

/** The tokens of the rules whose selector passes. */
function tokens(passes) {
  const found = {};
  for (const [, selector, body] of css.matchAll(/([^{}]+)\{([^{}]*)\}/g))
    if (passes(selector.trim())) for (const [, name, value] of body.matchAll(/--([\w-]+):\s*([^;]+);/g)) found[name] = value;
  return found;
}

const dark = tokens((selector) => selector === ":root");
const light = { ...dark, ...tokens((selector) => selector === ':root[data-theme="light"]') };
const old = (selector) => selector.includes("data-freshness");
const drained = tokens((selector) => old(selector) && !selector.includes("light"));
const themes = {
  dark,
  light,
  "dark, drained": { ...dark, ...drained },
  "light, drained": { ...light, ...drained, ...tokens((selector) => old(selector) && selector.includes("light")) },
};

/** A colour over another, as [red, green, blue]. */
function paint(colour, ground = [0, 0, 0]) {
  const hex = /^#(?:(\w)(\w)(\w)|(\w\w)(\w\w)(\w\w))$/.exec(colour);
  if (hex) return hex.slice(1).filter(Boolean).map((digits) => parseInt(digits.padEnd(2, digits), 16));
  const [red, green, blue, alpha] = /^rgb\((\d+) (\d+) (\d+) \/ ([\d.]+)\)$/.exec(colour).slice(1).map(Number);
  return [red, green, blue].map((part, i) => part * alpha + ground[i] * (1 - alpha));
}

function luminance(colour) {
  const [red, green, blue] = colour.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** WCAG 2.2's contrast ratio. */
function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

const OFFERS = ["room", "full", "offline", "down", "unknown"];

for (const [name, theme] of Object.entries(themes)) {
  const card = paint(theme.card);
  const grounds = { bg: paint(theme.bg), card, raised: paint(theme.raised), ...Object.fromEntries(OFFERS.map((offer) => [offer, paint(theme[`${offer}-wash`], card)])) };

  test(`text can be read: ${name}`, () => {
    for (const text of ["ink", "dim"])
      for (const [ground, colour] of Object.entries(grounds))
        assert.ok(contrast(paint(theme[text]), colour) >= 4.5, `${text} on ${ground}: ${contrast(paint(theme[text]), colour).toFixed(2)}`);
    for (const kind of ["alarm", "loss", "away", "calm"]) {
      const ratio = contrast(paint(theme[`${kind}-ink`]), paint(theme[kind]));
      assert.ok(ratio >= 4.5, `${kind}: ${ratio.toFixed(2)}`);
    }
  });

  test(`glyphs, bars and lines can be seen: ${name}`, () => {
    for (const mark of [...OFFERS, "running", "queued", "held", "focus"])
      for (const ground of OFFERS.includes(mark) ? [mark, "card"] : ["card"])
        assert.ok(contrast(paint(theme[mark]), grounds[ground]) >= 3, `${mark} on ${ground}: ${contrast(paint(theme[mark]), grounds[ground]).toFixed(2)}`);
  });
}

test("a drained page has less colour than a live one", () => {
  const colourful = (theme) => OFFERS.reduce((sum, offer) => sum + Math.max(...paint(theme[offer])) - Math.min(...paint(theme[offer])), 0);
  for (const theme of ["dark", "light"]) assert.ok(colourful(themes[`${theme}, drained`]) < colourful(themes[theme]) / 3);
});

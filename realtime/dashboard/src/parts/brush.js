/**
 * Paints nodes as small cells on a canvas:
 * - room: an outline, filled as far as its GPUs (or CPUs) are in use, with the number of its free GPUs
 * - full: a filled square; offline, down, unknown: their glyphs
 *
 * An inferred state has a dot in its corner, and a node that has just changed is framed.
 */

import { bars, freeGpus, offer } from "../offer.js";
import { GLYPHS } from "./glyph.js";

/** Smaller cells show no number and no glyph, but a part of one. */
const LEGIBLE_PX = 13;

const TOKENS = ["ink", "dim", "card", "changed", "room", "full", "offline", "down", "unknown"];

const PATHS = Object.fromEntries(
  Object.entries(GLYPHS).map(([what, { fill, stroke }]) => [what, { fill: fill && new Path2D(fill), stroke: stroke && new Path2D(stroke) }]),
);

export class Brush {
  /** @param {CanvasRenderingContext2D} context @param {CSSStyleDeclaration} style computed, with the theme's colours */
  constructor(context, style) {
    this.context = context;
    this.family = style.fontFamily;
    this.colours = Object.fromEntries(TOKENS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }

  /** A name that ends at x. */
  name(text, x, y, px) {
    const { context: c, colours, family } = this;
    c.font = `${px}px ${family}`;
    c.textAlign = "right";
    c.textBaseline = "middle";
    c.fillStyle = colours.dim;
    c.fillText(text, x, y + 0.5);
  }

  /** A node, over whatever stood there. `pitch` is from one cell to the next. */
  cell(node, x, y, { side, pitch, marked }) {
    const { context: c, colours } = this;
    const what = offer(node);
    const line = Math.max(1, side / 11);
    c.clearRect(x, y, pitch, pitch);
    c.lineWidth = line;
    c.strokeStyle = c.fillStyle = colours[what];
    if (what === "full") this.faint(0.62, () => c.fillRect(x, y, side, side));
    else if (what === "room") this.room(node, x, y, side, line);
    else if (side >= LEGIBLE_PX) this.glyph(what, x, y, side);
    else this.fragment(what, x, y, side);
    if (node.stateInferred && side >= LEGIBLE_PX) {
      c.fillStyle = colours.card;
      c.fillRect(x + side - line * 2.6, y + line * 0.9, line * 1.7, line * 1.7);
    }
    if (marked) {
      c.strokeStyle = colours.ink;
      this.faint(0.65, () => c.strokeRect(x + line / 2, y + line / 2, side - line, side - line));
    }
  }

  room(node, x, y, side, line) {
    const { context: c, colours, family } = this;
    const { used, total } = bars(node);
    const height = total ? ((side - line) * used) / total : 0;
    c.fillStyle = colours.full;
    this.faint(0.62, () => c.fillRect(x + line / 2, y + side - line / 2 - height, side - line, height));
    c.strokeRect(x + line / 2, y + line / 2, side - line, side - line);
    const free = freeGpus(node);
    if (!free || side < LEGIBLE_PX) return;
    c.font = `700 ${Math.round(side * 0.66)}px ${family}`;
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.fillStyle = colours.ink;
    c.fillText(free > 9 ? "+" : String(free), x + side / 2, y + side / 2 + 0.5);
  }

  glyph(what, x, y, side) {
    const { context: c } = this;
    const { fill, stroke } = PATHS[what];
    c.save();
    c.translate(x + side * 0.1, y + side * 0.1);
    c.scale((side * 0.8) / 16, (side * 0.8) / 16);
    c.lineWidth = 2.4;
    c.lineCap = "round";
    if (fill) c.fill(fill);
    if (stroke) c.stroke(stroke);
    c.restore();
  }

  /** What is left of a glyph in a cell of few pixels: half a square, a cross, a stroke. */
  fragment(what, x, y, side) {
    const { context: c } = this;
    if (what === "offline") return c.fillRect(x, y, side / 2, side);
    c.beginPath();
    c.moveTo(x + 1, y + 1);
    c.lineTo(x + side - 1, y + side - 1);
    if (what === "down") {
      c.moveTo(x + side - 1, y + 1);
      c.lineTo(x + 1, y + side - 1);
    }
    return c.stroke();
  }

  faint(alpha, paint) {
    this.context.globalAlpha = alpha;
    paint();
    this.context.globalAlpha = 1;
  }
}

/** The frame of every part: a card with a heading. A part's styles are `[card, css`…`]`. */

import { css } from "lit";

export const card = css`
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  :host {
    display: flex;
    flex-direction: column;
    min-width: 0;
    padding: 0.95em 1.1em 1em;
    background: var(--card);
    border: max(1px, 0.07em) solid var(--line);
    border-radius: var(--radius);
    color: var(--ink);
    font-variant-numeric: tabular-nums;
  }
  :host([hidden]) {
    display: none;
  }
  h2 {
    margin: 0 0 0.6em;
    font-size: 0.82em;
    font-weight: 600;
    letter-spacing: 0.02em;
    color: var(--dim);
  }
  b {
    font-weight: 650;
    color: var(--ink);
  }
  .big {
    margin: 0;
    font-size: 2.1em;
    font-weight: 650;
    line-height: 1.1;
    letter-spacing: -0.02em;
    white-space: nowrap;
    width: max-content;
  }
  .big small {
    font-size: 0.6em;
    font-weight: 600;
  }
  .dim {
    color: var(--dim);
  }
  .cut {
    min-width: 0;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .unheard {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  svg.glyph {
    width: 0.9em;
    height: 0.9em;
    flex: none;
    vertical-align: -0.08em;
  }
  .room {
    --colour: var(--room);
    --wash: var(--room-wash);
  }
  .full {
    --colour: var(--full);
    --wash: var(--full-wash);
  }
  .offline {
    --colour: var(--offline);
    --wash: var(--offline-wash);
  }
  .down {
    --colour: var(--down);
    --wash: var(--down-wash);
  }
  .unknown {
    --colour: var(--unknown);
    --wash: var(--unknown-wash);
  }
  :focus-visible {
    outline: 0.15em solid var(--focus);
    outline-offset: 0.1em;
  }
`;

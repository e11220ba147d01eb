/** The buttons at the end of the header; on a phone they are their glyphs alone. */

import { html, svg } from "lit";

/** Light or dark. */
export const lights = () => button("Light / dark", turn, svg`<path d="M8 1a7 7 0 1 1 0 14a7 7 0 1 1 0 -14ZM8 3.2v9.6a4.8 4.8 0 0 0 0 -9.6Z" fill="currentColor" fill-rule="evenodd"></path>`);

/** The way out, for who has logged in. @param {() => void} leave */
export const exit = (leave) => button("Log out", leave, svg`<path d="M6.5 2H2.5V14H6.5M10.5 4.5L14 8L10.5 11.5M14 8H6.5" fill="none" stroke="currentColor" stroke-width="2"></path>`);

const button = (words, press, path) => html`<button type="button" class="plain" aria-label=${words} @click=${press}>
  <svg class="glyph" viewBox="0 0 16 16" aria-hidden="true">${path}</svg>
  <span>${words}</span>
</button>`;

/** The other theme, from now on. */
function turn() {
  const root = document.documentElement;
  const theme = root.dataset.theme === "light" ? "dark" : "light";
  root.dataset.theme = theme;
  try {
    localStorage.setItem("realtime-theme", theme);
  } catch {
    // A browser that forbids storage keeps it until the page is loaded again.
  }
}

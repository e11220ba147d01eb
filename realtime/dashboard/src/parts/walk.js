/**
 * `walk(map)`: pointing at nodes and walking through them by keyboard, for tiles and cells alike. An element directive that listens on its
 * element and lets `map` send the events of `<rt-node-map>`.
 *
 * A map has `nodes`, `active` (the one with the tab stop), `columns`, `at(event)` → name, `boxOf(name)` → DOMRect, `focusOn(name)`.
 */

import { noChange } from "lit";
import { Directive, directive } from "lit/directive.js";

/** From one pointer position to the next; a hand that crosses the map means none of the nodes on its way. */
const REST_MS = 70;

class Walk extends Directive {
  render() {
    return noChange;
  }

  update({ element }, [map]) {
    if (!this.map) {
      this.map = map;
      element.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.pointAt(map.at(event)));
      element.addEventListener("pointerleave", () => this.pointAt(undefined));
      element.addEventListener("click", (event) => this.pin(map.at(event)));
      element.addEventListener("keydown", (event) => this.key(event));
      element.addEventListener("focusin", (event) => this.show(map.at(event)));
      element.addEventListener("focusout", () => this.send("rt-node-left"));
    }
    return noChange;
  }

  pointAt(name) {
    if (name === this.pointed) return;
    this.pointed = name;
    clearTimeout(this.rest);
    this.rest = setTimeout(() => (name === undefined ? this.send("rt-node-left") : this.show(name)), REST_MS);
  }

  show(name) {
    if (name !== undefined) this.send("rt-node-shown", name);
  }

  pin(name) {
    if (name === undefined) return;
    this.map.active = name;
    this.send("rt-node-pinned", name);
  }

  key(event) {
    const { map } = this;
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") this.pin(map.active);
    else if (event.key === "Escape") this.send("rt-node-escaped");
    else {
      const at = map.nodes.findIndex(({ name }) => name === map.active);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + map.columns, ArrowUp: at - map.columns, Home: 0, End: map.nodes.length - 1 }[event.key];
      if (to === undefined) return;
      if (map.nodes[to]) map.focusOn(map.nodes[to].name);
    }
    event.preventDefault();
  }

  send(type, name) {
    const detail = name === undefined ? {} : { name, box: this.map.boxOf(name) };
    this.map.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

export const walk = directive(Walk);

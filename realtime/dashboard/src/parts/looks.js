/**
 * Calls back when the page's colours have become others (`data-theme`, `data-freshness` on the root): for what is painted and not styled.
 *
 *     constructor() { super(); new Looks(this, () => this.paint()); }
 */
export class Looks {
  constructor(host, changed) {
    this.observer = new MutationObserver(changed);
    host.addController(this);
  }

  hostConnected() {
    this.observer.observe(document.documentElement, { attributeFilter: ["data-theme", "data-freshness"] });
  }

  hostDisconnected() {
    this.observer.disconnect();
  }
}

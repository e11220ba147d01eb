/**
 * Updates its host when the size of its box, or of one letter, has changed; `width`, `height` and `em` in CSS pixels. With `what`, the box of
 * the element in the host that this selector finds.
 */
export class Size {
  width = 0;
  height = 0;
  em = 16;

  constructor(host, what) {
    this.host = host;
    this.what = what;
    this.observer = new ResizeObserver(() => this.measure());
    host.addController(this);
  }

  hostUpdated() {
    const box = this.what ? this.host.renderRoot.querySelector(this.what) : this.host;
    if (box === this.box) return;
    if (this.box) this.observer.unobserve(this.box);
    this.box = box;
    if (box) this.observer.observe(box);
  }

  /** Also of a host that was only moved. */
  hostConnected() {
    this.host.requestUpdate();
  }

  hostDisconnected() {
    this.observer.disconnect();
    this.box = undefined;
  }

  measure() {
    if (!this.box) return;
    const style = getComputedStyle(this.box);
    const width = this.box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = this.box.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    const em = parseFloat(style.fontSize);
    if (width === this.width && height === this.height && em === this.em) return;
    Object.assign(this, { width, height, em });
    this.host.requestUpdate();
  }
}

// Time that stands until it is moved, for whatever takes `now`, `setTimeout` and `clearTimeout` from outside.

export class Clock {
  ms = 0;
  #timers = new Map();
  #count = 0;

  now = () => this.ms;
  setTimeout = (run, ms) => (this.#timers.set(++this.#count, { run, at: this.ms + ms }), this.#count);
  clearTimeout = (timer) => this.#timers.delete(timer);

  /** How many timers wait. */
  get waiting() {
    return this.#timers.size;
  }

  /** Let time pass, and everything happen that is due in it. */
  async pass(ms) {
    const end = this.ms + ms;
    for (;;) {
      await new Promise((next) => setImmediate(next));
      const [timer, due] = [...this.#timers].sort(([, one], [, other]) => one.at - other.at)[0] ?? [];
      if (!due || due.at > end) break;
      this.#timers.delete(timer);
      this.ms = Math.max(this.ms, due.at);
      due.run();
    }
    this.ms = end;
  }
}

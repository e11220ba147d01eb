/**
 * Keeps the screen awake, where the browser has a wake lock and lets the page use it: only over https or from localhost, and only while
 * the page is seen. Elsewhere the machine's own settings must do it (docs/kiosk.md).
 */

/** A refused lock (an empty battery, a policy) is asked for again after so long. */
const AGAIN_MS = 60_000;

const { setTimeout, clearTimeout } = globalThis;
const BROWSER = { wakeLock: globalThis.navigator?.wakeLock, document: globalThis.document, setTimeout, clearTimeout };

/** @param {{ wakeLock?: WakeLock, document: Document, setTimeout: Function, clearTimeout: Function }} [env] for tests */
export function stayAwake({ wakeLock, document, setTimeout, clearTimeout } = BROWSER) {
  if (!wakeLock) return;
  let lock;
  let asking = false;
  let timer;

  async function hold() {
    clearTimeout(timer);
    if (asking || lock || document.visibilityState !== "visible") return;
    asking = true;
    try {
      lock = await wakeLock.request("screen");
      // The browser takes it back when the page is hidden, or when the machine wants to save power.
      lock.addEventListener("release", released, { once: true });
    } catch {
      timer = setTimeout(hold, AGAIN_MS);
    } finally {
      asking = false;
    }
  }

  function released() {
    lock = undefined;
    timer = setTimeout(hold, AGAIN_MS);
  }

  document.addEventListener("visibilitychange", hold);
  hold();
}

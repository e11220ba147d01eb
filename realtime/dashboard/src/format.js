/**
 * Numbers, sizes, ages and times as people read them. Pure: no clock and no locale but the viewer's time zone.
 *
 * What is not known is `undefined` here and "unknown" on screen: never 0, never empty.
 */

export const UNKNOWN = "unknown";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** 4394 → "4,394". @param {number | undefined} number */
export function count(number) {
  return number === undefined ? UNKNOWN : WHOLE.format(number);
}

/** (1, "node") → "1 node", (2, "node") → "2 nodes". @param {number | undefined} number @param {string} noun @param {string} [many] */
export function plural(number, noun, many = `${noun}s`) {
  return `${count(number)} ${number === 1 ? noun : many}`;
}

/**
 * 74.1 → "74", for a big number with its sign beside it. What is neither nothing nor everything is never rounded to it: 99.6 stays "99.6".
 * @param {number | undefined} number
 */
export function percent(number) {
  if (number === undefined) return UNKNOWN;
  const rounded = Math.round(number);
  return rounded !== number && (rounded === 0 || rounded === 100) ? TENTHS.format(number) : WHOLE.format(number);
}

/** 503.1 → "503 GiB", 88046 → "86 TiB", 2015 → "2 TiB". @param {number | undefined} gib */
export function memory(gib) {
  if (gib === undefined) return UNKNOWN;
  if (gib < 1000) return `${(gib < 10 ? TENTHS : WHOLE).format(gib)} GiB`;
  const tib = gib / 1024;
  return `${(tib < 10 ? TENTHS : WHOLE).format(tib)} TiB`;
}

/** Used of total in the one unit that fits the total: "43.4 of 86 TiB". @param {number | undefined} used @param {number | undefined} total */
export function memoryOf(used, total) {
  if (used === undefined || total === undefined) return `${memory(used)} of ${memory(total)}`;
  const whole = memory(total);
  const unit = whole.slice(-3);
  const part = unit === "TiB" ? used / 1024 : used;
  return `${(part < 10 && part > 0 ? TENTHS : WHOLE).format(part)} of ${whole}`;
}

/**
 * How long: "4 s", "2 min", "3 h 12 min", "2 d 4 h". Seconds are told until two minutes, as someone who waits counts them.
 * @param {number | undefined} ms
 */
export function age(ms) {
  if (ms === undefined) return UNKNOWN;
  if (ms < 2 * MINUTE) return `${Math.max(0, Math.floor(ms / SECOND))} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return two(ms, HOUR, "h", MINUTE, "min");
  return two(ms, DAY, "d", HOUR, "h");
}

function two(ms, large, largeName, small, smallName) {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

const pad = (number) => String(number).padStart(2, "0");

/**
 * The time of day where the viewer is: "14:02:11"; of another day than `now`: "21 Nov 14:02".
 * @param {number | undefined} at epoch ms @param {number} now epoch ms
 */
export function clock(at, now) {
  if (at === undefined) return UNKNOWN;
  const time = new Date(at);
  const minutes = `${pad(time.getHours())}:${pad(time.getMinutes())}`;
  return sameDay(time, new Date(now)) ? `${minutes}:${pad(time.getSeconds())}` : `${day(time)} ${minutes}`;
}

function sameDay(one, other) {
  return one.toDateString() === other.toDateString();
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "21 Nov". @param {Date} time */
export function day(time) {
  return `${time.getDate()} ${MONTHS[time.getMonth()]}`;
}

/** "it is gone" → "It is gone.". @param {string} text */
export const asSentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** Names in the order in which people count: node-2 before node-10. */
export const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;

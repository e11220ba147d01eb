/**
 * `<rt-queues>`: the queues with the most jobs first, each with a bar of what runs and what waits.
 *
 * - `queues`: the `queues` topic
 * - `most`, `fit`, `interactive`: see rows.js
 */

import { css, html } from "lit";

import { byName, count, plural } from "../format.js";
import { RowList } from "./rows.js";
import { share } from "./share.js";
import { tint } from "./tint.js";

class Queues extends RowList {
  static properties = { queues: { attribute: false } };

  static styles = [
    RowList.styles,
    css`
      .row {
        grid-template-columns: minmax(0, 7.4em) minmax(0, 1fr) minmax(5.6em, var(--numbers));
      }
    `,
  ];

  render() {
    const queues = Object.values(this.queues ?? {}).sort((a, b) => jobs(b) - jobs(a) || byName(a.name, b.name));
    const most = Math.max(1, ...queues.map(jobs));
    const longest = Math.max(...queues.map((queue) => numbers(queue).join(" + ").length));
    return html`<h2 ${share("--numbers", `${longest * 0.62}em`, this)}>Queues</h2>
      ${this.list(queues.map((queue) => row(queue, most)), "Queues", this.queues ? "There is no queue." : "–")}
      <p class="key"><span><i></i> running</span><span><i class="queued"></i> queued</span></p>`;
  }
}

const numbers = ({ runningJobs, queuedJobs, queuedInferred }) => [count(runningJobs), count(queuedJobs) + (queuedInferred ? "*" : "")];

const jobs = ({ runningJobs = 0, queuedJobs = 0 }) => runningJobs + queuedJobs;

function row(queue, most) {
  const { name, runningJobs, queuedJobs, queuedInferred } = queue;
  const [running, queued] = numbers(queue);
  return html`<li class="row" title="${name}: ${plural(runningJobs, "job")} running, ${count(queuedJobs)} queued${queuedInferred ? ", counted from the list of jobs" : ""}">
    <span class="cut">${name}</span>
    <span class="track" aria-hidden="true">${track(runningJobs, queuedJobs, most)}</span>
    <span class="n"><b>${tint(running)}</b> + <span>${tint(queued)}</span></span>
  </li>`;
}

/** Bars of what runs and what waits, of a track that is `most` long. @param {number} [running] @param {number} [queued] @param {number} most */
export function track(running = 0, queued = 0, most) {
  return html`${running ? html`<i ${share("flex", `${running} 1 0`)}></i>` : ""}${queued ? html`<i class="queued" ${share("flex", `${queued} 1 0`)}></i>` : ""}<span
      ${share("flex", `${Math.max(0, most - running - queued)} 1 0`)}
    ></span>`;
}

customElements.define("rt-queues", Queues);

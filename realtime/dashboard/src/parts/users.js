/**
 * `<rt-users>`: who runs most.
 *
 * - `users`: the `users` topic
 * - `nameless` (attribute): no names, for a wall that strangers see
 * - `most`, `fit`, `interactive`: see rows.js
 */

import { css, html } from "lit";

import { byName, count, plural } from "../format.js";
import { track } from "./queues.js";
import { RowList } from "./rows.js";
import { tint } from "./tint.js";

class Users extends RowList {
  static properties = { users: { attribute: false }, nameless: { type: Boolean } };

  static styles = [
    RowList.styles,
    css`
      .row {
        grid-template-columns: minmax(0, 7.4em) minmax(0, 1fr) 3.4em;
      }
    `,
  ];

  render() {
    const users = Object.values(this.users ?? {}).sort((a, b) => weight(b) - weight(a) || byName(a.name, b.name));
    const most = Math.max(1, ...users.map(({ runningJobs = 0, queuedJobs = 0 }) => runningJobs + queuedJobs));
    return html`<h2>Users running most</h2>
      ${this.list(users.map((user, i) => this.row(user, i, most)), "Users", this.users ? "Nobody has a job." : "–")}`;
  }

  row({ name, runningJobs, queuedJobs }, i, most) {
    const called = this.nameless ? `user ${i + 1}` : name;
    const waiting = queuedJobs === undefined ? "" : `, ${count(queuedJobs)} queued`;
    return html`<li class="row" title="${called}: ${plural(runningJobs, "job")} running${waiting}">
      <span class="cut">${called}</span>
      <span class="track" aria-hidden="true">${track(runningJobs, queuedJobs, most)}</span>
      <span class="n"><b>${tint(count(runningJobs))}</b></span>
    </li>`;
  }
}

const weight = ({ runningJobs = 0, queuedJobs = 0 }) => runningJobs + queuedJobs / 1e6;

customElements.define("rt-users", Users);

import assert from "node:assert/strict";
import { test } from "node:test";

import { OUT, isByCookie, logIn, logOut, tabs } from "../src/session.js";

/** What fetch answers, and what it was asked. */
function server(status, body) {
  const asked = [];
  const fetch = async (...question) => {
    asked.push(question);
    return new Response(status === 204 ? null : typeof body === "string" ? body : JSON.stringify(body), { status });
  };
  return { fetch, asked };
}
const away = async () => {
  throw new TypeError("Failed to fetch");
};

test("a token goes into a body, below the page's own path, and nowhere else", async () => {
  const { fetch, asked } = server(200, { role: "viewer" });
  assert.deepEqual(await logIn("rt_secret", fetch), {});
  const [[address, { method, headers, body, cache }]] = asked;
  assert.deepEqual([address, method, headers, body, cache], ["api/session", "POST", { "Content-Type": "application/json" }, '{"token":"rt_secret"}', "no-store"]);
});

test("the way out is the same address", async () => {
  const { fetch, asked } = server(204);
  assert.deepEqual(await logOut(fetch), {});
  const [[address, { method }]] = asked;
  assert.deepEqual([address, method], ["api/session", "DELETE"]);
});

for (const status of [400, 401, 403, 413])
  test(`a refusal (${status}) is told in the server's words, and is no matter of time`, async () => {
    const { fetch } = server(status, { status, detail: "this token is not known here", code: "bad_token" });
    assert.deepEqual(await logIn("rt_secret", fetch), { problem: "this token is not known here", away: false });
  });

for (const status of [408, 425, 429, 500, 503])
  test(`a server that cannot say now (${status}) may another time`, async () => {
    const { fetch } = server(status, { status, detail: "not now" });
    assert.deepEqual(await logIn("rt_secret", fetch), { problem: "not now", away: true });
  });

test("no answer, and somebody else's, are a server that is away", async () => {
  const problem = { problem: "the server cannot be reached", away: true };
  assert.deepEqual(await logIn("rt_secret", away), problem);
  assert.deepEqual(await logIn("rt_secret", server(502, "<html>Bad Gateway</html>").fetch), problem);
  assert.deepEqual(await logOut(away), problem);
});

test("a refusal without a reason has its status", async () => {
  assert.deepEqual(await logIn("rt_secret", server(401, {}).fetch), { problem: "the server answered 401", away: false });
});

test("where nobody is asked, everybody is in, and out", async () => {
  const { fetch } = server(404, { status: 404, detail: "this server asks nobody for a token (auth: none)", code: "no_login" });
  assert.deepEqual([await logIn("rt_secret", fetch), await logOut(fetch)], [{}, {}]);
});

test("a refusal in somebody else's words is no matter of time either", async () => {
  for (const body of ["<h1>blocked</h1>", "null"])
    assert.deepEqual(await logIn("rt_secret", server(403, body).fetch), { problem: "the server answered 403", away: false });
});

test("what one tab says the others hear", async () => {
  const heard = [];
  const [one, other] = [tabs(() => {}), tabs((word) => heard.push(word))];
  one.postMessage(OUT);
  while (!heard.length) await new Promise(setImmediate);
  assert.deepEqual(heard, [OUT]);
  one.close();
  other.close();
});

test("only a server that says so has let the page in by its cookie, or without; what says neither is not known", async () => {
  assert.equal(await isByCookie(server(200, { role: "viewer", cookie: true }).fetch), true);
  assert.equal(await isByCookie(server(200, { role: "admin", cookie: false }).fetch), false);
  assert.equal(await isByCookie(server(401, { detail: "no", cookie: true }).fetch), undefined);
  assert.equal(await isByCookie(server(200, "<html>").fetch), undefined);
  assert.equal(await isByCookie(away), undefined);
});

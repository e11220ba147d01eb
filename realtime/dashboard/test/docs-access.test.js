import assert from "node:assert/strict";
import test from "node:test";

import { whoMay } from "../src/docs/access.js";

test("what is guarded by no scheme is for everyone", () => {
  assert.deepEqual(whoMay([]), { role: undefined, schemes: [] });
});

test("the least role is any role", () => {
  assert.deepEqual(whoMay([{ bearer: ["kiosk"] }, { cookie: ["kiosk"] }]), { role: undefined, schemes: ["bearer", "cookie"] });
});

test("a higher role is named", () => {
  assert.deepEqual(whoMay([{ bearer: ["admin"] }]), { role: "admin", schemes: ["bearer"] });
});

import assert from "node:assert/strict";
import test from "node:test";

import { nameOf, typeOf } from "../src/docs/types.js";

const words = (schema) => typeOf(schema).map((part) => part.type ?? part).join("");

test("a reference is told by the name of what it leads to", () => {
  assert.equal(nameOf("#/components/schemas/Node"), "Node");
  assert.deepEqual(typeOf({ $ref: "#/components/schemas/Node" }), [{ type: "Node" }]);
});

for (const [schema, told] of [
  [{ type: "integer" }, "integer"],
  [{}, "anything"],
  [undefined, "anything"],
  [{ const: true, type: "boolean" }, "true"],
  [{ enum: ["free", "busy"], type: "string" }, '"free" · "busy"'],
  [{ anyOf: [{ $ref: "#/x/Node" }, { type: "null" }] }, "Node or null"],
  [{ type: "array", items: { $ref: "#/x/Node" } }, "list of Node"],
  [{ type: "object", additionalProperties: { type: "array", items: { type: "string" } } }, "name → list of string"],
  [{ type: "object", additionalProperties: true }, "object"],
])
  test(`a schema is told as ${told}`, () => assert.equal(words(schema), told));

/** The last part of a reference: the name of what it leads to. */
export const nameOf = (ref) => ref.slice(ref.lastIndexOf("/") + 1);

/** A JSON Schema in a few words: a list of texts and of `{type: name}`, each of which is a type of its own. */
export function typeOf(schema = {}) {
  if (schema.$ref) return [{ type: nameOf(schema.$ref) }];
  if ("const" in schema) return [JSON.stringify(schema.const)];
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(" · ")];
  const choice = schema.anyOf ?? schema.oneOf;
  if (choice) return choice.flatMap((each, index) => (index ? [" or ", ...typeOf(each)] : typeOf(each)));
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items)];
  if (schema.type === "object" && typeof schema.additionalProperties === "object") return ["name → ", ...typeOf(schema.additionalProperties)];
  return [schema.type ?? "anything"];
}

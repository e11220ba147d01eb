/** The role that is no better than any, and so is not worth naming. */
const LEAST = "kiosk";

/** Who may use an operation, by its `security`: `{role, schemes}`; a role is named where not every one is enough, and no scheme where nobody is asked. */
export const whoMay = (security) => ({
  role: security.flatMap((each) => Object.values(each).flat()).find((role) => role !== LEAST),
  schemes: security.flatMap(Object.keys),
});

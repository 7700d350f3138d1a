/**
 * What code has thrown, as the sandbox RPC carries errors: the names of the fields are those of
 * `ThrownError` in `packages/protocol`.
 */
const textMax = 65_536;
const causesMax = 8;

/** @param {unknown} error */
export function describe(error, depth = 0) {
  if (typeof error !== "object" || error === null || !isError(error)) {
    return fields("Error", `Uncaught ${shown(error)}`);
  }
  const look = (key) => {
    try {
      return error[key];
    } catch {
      return undefined;
    }
  };
  const text = (key) => {
    const value = look(key);
    return typeof value === "string" ? value.slice(0, textMax) : null;
  };
  const nested = (value) =>
    depth < causesMax && typeof value === "object" && value !== null && isError(value)
      ? describe(value, depth + 1)
      : null;
  const errors = look("errors");
  return {
    constructorName: constructorName(error),
    message: text("message") ?? "",
    name: text("name"),
    code: text("code"),
    stack: text("stack"),
    cause: nested(look("cause")),
    errors:
      Array.isArray(errors) && depth < causesMax
        ? errors.slice(0, 100).map((one) => describe(one, depth + 1))
        : null,
    error: nested(look("error")),
    suppressed: nested(look("suppressed")),
  };
}

function fields(name, message) {
  const none = {
    code: null,
    stack: null,
    cause: null,
    errors: null,
    error: null,
    suppressed: null,
  };
  return { constructorName: name, name, message, ...none };
}

function isError(value) {
  try {
    return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
  } catch {
    return false; // a proxy that does not want to be looked at
  }
}

function constructorName(error) {
  try {
    const { name } = error.constructor;
    return typeof name === "string" && name !== "" ? name.slice(0, 256) : "Error";
  } catch {
    return "Error";
  }
}

function shown(value) {
  try {
    const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
    return text.slice(0, textMax);
  } catch {
    return "(something that cannot be shown)";
  }
}

/**
 * Values of a REPL on their way out of it. Nothing here uses Deno, and whatever a value does when it
 * is looked at (getters that throw, proxies, cycles) the result is something that can be sent.
 */
import { stringify } from "./devalue/index.js";

/** What is deeper than this is told as `[Object]`, as the console does. */
const depthMax = 200;
/** What has more entries than this in all cannot be sent. */
const entriesMax = 1_000_000;

/** @param {unknown} value @returns {string} JSON, as far as JSON can say what the value is. */
export function toJson(value) {
  return JSON.stringify(plain(value, jsonForms)) ?? "null";
}

/** @param {unknown} value @returns {string} what `devalue.parse` reads, with the types of the value. */
export function toDevalue(value) {
  return stringify(plain(value, richForms), {
    Error: (it) => it instanceof ErrorForm && it.fields,
    Function: (it) => it instanceof FunctionForm && { name: it.name },
    Symbol: (it) => it instanceof SymbolForm && { name: it.name },
  });
}

/** What is left of a value that has no form of its own in what is sent. */
class ErrorForm {
  constructor(fields) {
    this.fields = fields;
  }
}
class FunctionForm {
  constructor(name) {
    this.name = name;
  }
}
class SymbolForm {
  constructor(name) {
    this.name = name;
  }
}

const typedArray = Object.getPrototypeOf(Uint8Array);
const richKinds = [Date, RegExp, URL, URLSearchParams, ArrayBuffer];

const richForms = {
  primitive: (value) => value,
  function: (name) => new FunctionForm(name),
  symbol: (name) => new SymbolForm(name),
  leaf: (value) => {
    if (value instanceof typedArray && isWhole(value)) return value;
    if (value instanceof typedArray || value instanceof DataView) return bytesOf(value);
    return richKinds.some((kind) => value instanceof kind) ? value : undefined;
  },
  map: (entries) => new Map(entries),
  set: (values) => new Set(values),
  error: (fields) => new ErrorForm(fields),
  hasCycles: true,
};

const jsonForms = {
  primitive: (value) => (typeof value === "bigint" ? value.toString() : value),
  function: (name) => `[Function: ${name || "(anonymous)"}]`,
  symbol: (name) => `Symbol(${name})`,
  leaf: (value) => {
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
    if (value instanceof RegExp) return String(value);
    if (value instanceof URL || value instanceof URLSearchParams) return value.toString();
    if (value instanceof ArrayBuffer) return Array.from(new Uint8Array(value));
    if (value instanceof DataView) return Array.from(bytesOf(value));
    if (value instanceof typedArray) return Array.from(value, jsonForms.primitive);
    return undefined;
  },
  map: (entries) =>
    entries.every(([key]) => typeof key === "string") ? objectOf(entries) : entries,
  set: (values) => values,
  error: (fields) => fields,
  hasCycles: false,
};

/** A copy of a value that consists of what `forms` makes, and does nothing when it is looked at. */
function plain(root, forms) {
  const copies = new Map();
  const parents = new Set();
  let entries = 0;

  const count = (more) => {
    entries += more;
    if (entries > entriesMax)
      throw new RangeError(`The value has more than ${entriesMax} entries.`);
  };

  const copy = (value, depth) => {
    if (typeof value === "function") return forms.function(textOf(() => value.name));
    if (typeof value === "symbol") return forms.symbol(value.description ?? "");
    if (typeof value !== "object" || value === null) return forms.primitive(value);
    if (forms.hasCycles ? copies.has(value) : parents.has(value)) {
      return forms.hasCycles ? copies.get(value) : "[Circular]";
    }
    if (depth > depthMax) return Array.isArray(value) ? "[Array]" : "[Object]";
    parents.add(value);
    try {
      return within(value, depth + 1);
    } finally {
      parents.delete(value);
    }
  };

  const within = (value, depth) => {
    if (!canBeTold(value)) return {};
    const leaf = attempt(() => forms.leaf(value));
    if (leaf !== undefined) {
      count(Array.isArray(leaf) ? leaf.length : 1);
      copies.set(value, leaf);
      return leaf;
    }
    if (Array.isArray(value)) return intoArray(value, depth);
    if (value instanceof Map) return intoMap(value, depth);
    if (value instanceof Set) return intoSet(value, depth);
    if (value instanceof Error) return intoError(value, depth);
    return intoObject(value, depth);
  };

  const intoArray = (value, depth) => {
    const length = attempt(() => value.length) ?? 0;
    count(length);
    const target = [];
    copies.set(value, target);
    for (let at = 0; at < length; at += 1)
      target.push(
        copy(
          attempt(() => value[at]),
          depth,
        ),
      );
    return target;
  };

  const intoMap = (value, depth) => {
    const pairs = Array.from(Map.prototype.entries.call(value));
    count(pairs.length);
    const target = forms.map([]);
    if (forms.hasCycles) copies.set(value, target);
    const copied = pairs.map(([key, item]) => [copy(key, depth), copy(item, depth)]);
    if (!forms.hasCycles) return forms.map(copied);
    for (const [key, item] of copied) target.set(key, item);
    return target;
  };

  const intoSet = (value, depth) => {
    const items = Array.from(Set.prototype.values.call(value));
    count(items.length);
    const target = forms.set([]);
    if (forms.hasCycles) copies.set(value, target);
    const copied = items.map((item) => copy(item, depth));
    if (!forms.hasCycles) return copied;
    for (const item of copied) target.add(item);
    return target;
  };

  const intoError = (value, depth) => {
    const fields = {};
    const form = forms.error(fields);
    copies.set(value, form);
    fields.constructorName = textOf(() => value.constructor.name) || "Error";
    for (const key of ["name", "message", "stack", "code"]) {
      const field = attempt(() => value[key]);
      if (typeof field === "string") fields[key] = field;
    }
    const cause = attempt(() => value.cause);
    if (cause !== undefined) fields.cause = copy(cause, depth);
    const errors = attempt(() => value.errors);
    if (Array.isArray(errors)) fields.errors = copy(errors, depth);
    return form;
  };

  const intoObject = (value, depth) => {
    const keys = attempt(() => Object.keys(value)) ?? [];
    count(keys.length);
    const target = {};
    copies.set(value, target);
    for (const key of keys) {
      if (key === "__proto__") continue;
      const item = attempt(() => value[key]);
      if (item !== undefined || forms.hasCycles) target[key] = copy(item, depth);
    }
    return target;
  };

  return copy(root, 0);
}

/** What `look` comes to; undefined when it throws. */
function attempt(look) {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** A proxy may refuse to say what it is. */
function canBeTold(value) {
  return attempt(() => [value instanceof Map, Array.isArray(value)]) !== undefined;
}

function textOf(look) {
  const text = attempt(look);
  return typeof text === "string" ? text : "";
}

function objectOf(entries) {
  const target = {};
  for (const [key, value] of entries) if (key !== "__proto__") target[key] = value;
  return target;
}

/** Whether a typed array is all of its buffer, so that no more than its own bytes are sent with it. */
function isWhole(value) {
  return (
    value.byteLength === value.buffer.byteLength && !(value.buffer instanceof SharedArrayBuffer)
  );
}

function bytesOf(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
}

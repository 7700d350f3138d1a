"use strict";

// Stands in for the editor's own library for log files, which is native and would have to be compiled on each host:
// the same interface, without rotation. What a log file cannot take is lost.

const { createWriteStream, mkdirSync } = require("node:fs");
const { dirname } = require("node:path");

/** As the library counts them. */
const names = ["trace", "debug", "info", "warning", "error", "critical"];
const bytesMax = 8 * 1024 * 1024;

class Logger {
  #stream;
  #level = 2;
  #bytes = 0;
  #isPlain = false;

  constructor(path) {
    mkdirSync(dirname(path), { recursive: true });
    this.#stream = createWriteStream(path, { flags: "a" });
    this.#stream.on("error", () => this.drop());
  }

  getLevel() {
    return this.#level;
  }
  setLevel(level) {
    this.#level = level;
  }
  setPattern() {}
  clearFormatters() {
    this.#isPlain = true;
  }
  flush() {}
  drop() {
    this.#stream?.destroy();
    this.#stream = null;
  }

  write(level, text) {
    if (level < this.#level || this.#stream === null) return;
    const time = new Date().toISOString().replace("T", " ").replace("Z", "");
    const line = this.#isPlain ? text : `${time} [${names[level]}] ${text}\n`;
    this.#bytes += line.length;
    if (this.#bytes <= bytesMax) this.#stream.write(line);
  }
}

for (const [level, name] of ["trace", "debug", "info", "warn", "error", "critical"].entries()) {
  Logger.prototype[name] = function log(text) {
    this.write(level, text);
  };
}

// One by one: importers that are modules find no others.
exports.Logger = Logger;
exports.setFlushOn = () => {};
exports.setLevel = () => {};
exports.shutdown = () => {};
exports.createRotatingLogger = async (_name, path) => new Logger(path);
exports.createAsyncRotatingLogger = async (_name, path) => new Logger(path);

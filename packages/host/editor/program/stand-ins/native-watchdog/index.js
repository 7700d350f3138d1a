"use strict";

// Stands in for the library that ends a process of extensions whose loop hangs after its parent has died, which is native.
// Its importer looks after the parent too, as long as its loop runs; and one that hangs ends with the sandbox.
exports.start = () => {};
exports.exit = (code) => process.exit(code);

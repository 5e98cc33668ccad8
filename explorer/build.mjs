// Builds the page into the Python package: `npm ci && npm run build` in this folder.
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const out = "../corpora/explorer/static";
const sources = readdirSync("src").map((name) => `src/${name}`).sort();
const hash = createHash("sha256");
for (const name of ["build.mjs", "package.json", ...sources]) hash.update(readFileSync(name));

const options = { bundle: true, minify: true, target: "es2022", legalComments: "none" };
await build({
  ...options,
  entryPoints: ["src/main.tsx"],
  outfile: `${out}/explorer.js`,
  jsx: "automatic",
  jsxImportSource: "preact",
});
await build({ ...options, entryPoints: ["src/explorer.css"], outfile: `${out}/explorer.css` });
for (const name of ["index.html", "icon.svg"]) copyFileSync(`src/${name}`, `${out}/${name}`);

// a test compares this with the sources
const license = readFileSync("node_modules/preact/LICENSE", "utf8").trim();
const script = readFileSync(`${out}/explorer.js`, "utf8");
const head = `/* Built from the folder explorer, SHA-256 ${hash.digest("hex")}. Contains Preact:\n\n${license}\n*/\n`;
writeFileSync(`${out}/explorer.js`, head + script);

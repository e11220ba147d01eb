// Bundles src/ into dist/: the pages, their scripts and styles under hashed names, and what is served as it is.
//
// A page names its own sources by relative paths ("./main.js", "../theme.css"); they become entry points, and their place is taken by
// the names of what was made of them. Everything else in a page stays as it stands.

import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");

const PAGES = { "index.html": "src/dashboard/index.html", "kiosk.html": "src/kiosk/index.html", "docs.html": "src/docs/index.html" };
const AS_THEY_ARE = { "client.js": "src/realtime-client.js", "favicon.svg": "src/favicon.svg" };

// The oldest browsers with all of: constructable style sheets, private methods, dialog, :has. Wall displays are not updated often.
const TARGET = ["chrome109", "firefox121", "safari16.4"];

const REFERENCE = /\b(src|href)="(\.\.?\/[^"]+)"/g;

function sourceOf(page, reference) {
  return relative(here, resolve(here, dirname(page), reference));
}

function entryPoints() {
  const found = new Set();
  for (const page of Object.values(PAGES))
    for (const [, , reference] of readFileSync(join(here, page), "utf8").matchAll(REFERENCE)) found.add(sourceOf(page, reference));
  // "dashboard/main" and "kiosk/main" would both be called main: a name tells which page a request in a log belongs to.
  return [...found].map((path) => ({
    in: join(here, path),
    out: relative("src", path).replace(/\.\w+$/, "").replace(/\/main$/, "").replace(/(\w+)\/\1$/, "$1").replaceAll("/", "-"),
  }));
}

async function bundle(outdir) {
  const { metafile } = await build({
    entryPoints: entryPoints(),
    absWorkingDir: here,
    outdir: join(outdir, "assets"),
    entryNames: "[name]-[hash]",
    chunkNames: "shared-[hash]",
    assetNames: "[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    target: TARGET,
    minify: true,
    sourcemap: false,
    metafile: true,
    legalComments: "none", // whole licences go beside, see below
    logLevel: "warning",
  });
  return metafile;
}

/** The licences of whatever was bundled, which travel with it. Returns the file's name. */
function licences(folder, inputs) {
  const packages = new Set();
  for (const path of Object.keys(inputs)) {
    const [, name] = /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
    if (name) packages.add(name);
  }
  const texts = [...packages].sort().map((name) => {
    const home = join(here, "node_modules", name);
    const file = readdirSync(home).find((each) => /^licen[cs]e/i.test(each));
    if (!file) throw new Error(`${name} has no licence`);
    return `${name} ${JSON.parse(readFileSync(join(home, "package.json"), "utf8")).version}\n\n${readFileSync(join(home, file), "utf8").trim()}\n`;
  });
  const text = texts.join(`\n${"-".repeat(80)}\n\n`);
  const name = `licences-${createHash("sha256").update(text).digest("hex").slice(0, 8)}.txt`;
  writeFileSync(join(folder, "assets", name), text);
  return name;
}

/** Fill in the names of what was made: for each entry its file, the styles that its script imported, hints to load its chunks; the licences. */
function fillIn(page, outputs, licence) {
  const made = new Map();
  for (const [path, output] of Object.entries(outputs)) if (output.entryPoint) made.set(output.entryPoint, { path, ...output });
  const address = (path) => posix.join("assets", posix.basename(path));
  const hints = [`<link rel="license" href="${address(licence)}">`];
  const html = readFileSync(join(here, page), "utf8").replaceAll(REFERENCE, (_, attribute, reference) => {
    const output = made.get(sourceOf(page, reference));
    if (output.cssBundle) hints.push(`<link rel="stylesheet" href="${address(output.cssBundle)}">`);
    for (const path of chunks(output, outputs)) hints.push(`<link rel="modulepreload" href="${address(path)}">`);
    return `${attribute}="${address(output.path)}"`;
  });
  return html.replace(/(\s*)<\/head>/, (end, space) => `${[...new Set(hints)].map((hint) => `${space}  ${hint}`).join("")}${end}`);
}

function chunks(output, outputs, found = new Set()) {
  for (const { path, kind } of output.imports)
    if (kind === "import-statement" && !found.has(path)) chunks(outputs[found.add(path) && path], outputs, found);
  return found;
}

const folder = mkdtempSync(join(here, ".dist-"));
try {
  const { inputs, outputs } = await bundle(folder);
  const licence = licences(folder, inputs);
  for (const [name, page] of Object.entries(PAGES)) writeFileSync(join(folder, name), fillIn(page, outputs, licence));
  for (const [name, source] of Object.entries(AS_THEY_ARE)) cpSync(join(here, source), join(folder, name));
  // Whoever asks whether dist/ is of these sources compares this (see hatch_build.py).
  if (process.env.SOURCES_DIGEST) writeFileSync(join(folder, "sources"), process.env.SOURCES_DIGEST);
  rmSync(dist, { recursive: true, force: true });
  renameSync(folder, dist);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

for (const name of readdirSync(dist, { recursive: true }).sort()) {
  if (!/\.(js|css|html|svg)$/.test(name)) continue;
  const body = readFileSync(join(dist, name));
  console.log(`${name.padEnd(40)} ${String(body.length).padStart(8)} ${String(gzipSync(body).length).padStart(8)} gzip`);
}

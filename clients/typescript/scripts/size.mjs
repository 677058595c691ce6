// Prints what a bundler ships of each entry point, in bytes: minified, and compressed with gzip -9.
// What it shares with the main one is counted there.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const folder = fileURLToPath(new URL("..", import.meta.url));
const { exports, peerDependencies } = JSON.parse(readFileSync(`${folder}/package.json`));
const external = Object.keys(peerDependencies);

async function sizeOf(...entries) {
  const contents = entries.map(({ default: file }) => `export * from "${file}";`).join("\n");
  const stdin = { contents, resolveDir: folder };
  const options = { bundle: true, external, format: "esm", minify: true, target: "es2022" };
  const { outputFiles } = await build({ stdin, write: false, ...options });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

const { ".": main, ...others } = exports;
const bytes = await sizeOf(main);
console.log(`${"@taskapi/client".padEnd(28)} ${bytes}`);
for (const [name, entry] of Object.entries(others)) {
  const added = (await sizeOf(main, entry)) - bytes;
  console.log(`${`@taskapi/client${name.slice(1)}`.padEnd(28)} ${added}`);
}

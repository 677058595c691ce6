// Prints what a bundler ships of the main entry, in bytes: minified, and compressed with gzip -9.
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const entry = fileURLToPath(new URL("../dist/index.js", import.meta.url));
const options = { bundle: true, format: "esm", minify: true, target: "es2022", write: false };
const { outputFiles } = await build({ entryPoints: [entry], ...options });
const [{ contents }] = outputFiles;
console.log(`${contents.length} bytes, ${gzipSync(contents, { level: 9 }).length} compressed`);

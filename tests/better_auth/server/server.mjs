// A Better Auth server on loopback: node server.mjs CONFIGURATION
//
// It listens on a free port, makes its tables and prints its address, then serves until its
// standard input ends. DATABASE_URL, BETTER_AUTH_SECRET and what else a configuration reads come
// from the environment.

import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";

const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

// Better Auth signs with its own address as issuer, and reads it here when it is made.
process.env.BETTER_AUTH_URL = `http://127.0.0.1:${server.address().port}`;
const configuration = new URL(`./configurations/${process.argv[2]}/`, import.meta.url);
const { auth } = await import(new URL("auth.mjs", configuration));

const { runMigrations } = await getMigrations(auth.options);
await runMigrations();

// Some configurations come with the web application around them.
const app = new URL("app.mjs", configuration);
server.on("request", existsSync(app) ? (await import(app)).handle : toNodeHandler(auth));
console.log(`ready ${process.env.BETTER_AUTH_URL}`);

// The tests hold the other end, so this process ends with theirs, however they end.
process.stdin.resume().on("end", () => process.exit());

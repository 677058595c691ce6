// Better Auth, as docs/better-auth.md configures it for this service, with the database of the
// service. Its handler is mounted by vite.config.ts.

import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";
import { Pool } from "pg";

const pool = new Pool({ connectionString: process.env.DATABASE_URL });

// A connection that the database ends while nothing uses it; the next query gets another one.
pool.on("error", (error) => console.warn(error.message));

const auth = betterAuth({
  database: pool,
  emailAndPassword: { enabled: true },
  user: { deleteUser: { enabled: true } },
  advanced: { cookiePrefix: "taskapi-example" },
  telemetry: { enabled: false },
  // Better Auth refuses requests of pages that another URL has led to.
  trustedOrigins: [(process.env.BETTER_AUTH_URL ?? "").replace("127.0.0.1", "localhost")],
  plugins: [
    jwt({
      jwt: {
        expirationTime: process.env.TOKEN_LIFETIME ?? "15m",
        definePayload: () => ({}), // The service reads `sub`; the user's e-mail address stays here.
      },
    }),
  ],
});

/** Makes Better Auth's tables where they are missing, and gives what answers under /api/auth. */
export async function authHandler() {
  const { runMigrations } = await getMigrations(auth.options);
  await runMigrations();
  return toNodeHandler(auth);
}

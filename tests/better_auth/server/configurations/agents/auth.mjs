import { apiKey } from "@better-auth/api-key";
import { mcp } from "@better-auth/mcp";
import { betterAuth } from "better-auth";
import { bearer, jwt } from "better-auth/plugins";
import { Pool } from "pg";

/** The `PUBLIC_URL` of taskapi. */
export const tasks = process.env.TASKS_URL;

/** Who may register programs, and link them to taskapi. */
const isOperator = ({ user }) => user.emailVerified && user.email === process.env.OPERATOR_EMAIL;

export const auth = betterAuth({
  database: new Pool({ connectionString: process.env.DATABASE_URL }),
  emailAndPassword: { enabled: true },
  user: { deleteUser: { enabled: true } },
  plugins: [
    jwt(),
    bearer(),
    mcp({
      loginPage: "/sign-in",
      consentPage: "/consent",
      resource: `${tasks}/mcp`, // what assistants ask for
      resources: [tasks], // what programs ask for that call the API
      scopes: ["openid", "offline_access", "tasks:read", "tasks:write"],
      accessTokenExpiresIn: 15 * 60, // seconds; until then a token works, whatever is revoked
      allowDynamicClientRegistration: true, // assistants register themselves
      allowUnauthenticatedClientRegistration: true,
      clientPrivileges: isOperator,
      resourcePrivileges: isOperator,
    }),
    apiKey({
      enableSessionForAPIKeys: true,
      // A key fetches tokens, and is not a sign-in for anything else.
      customAPIKeyGetter: ({ path, headers }) =>
        path === "/token" ? (headers?.get("x-api-key") ?? null) : null,
      rateLimit: { timeWindow: 60_000, maxRequests: 10 }, // 10 tokens a minute, not 10 a day
    }),
  ],
});

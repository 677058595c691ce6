// By-products that look like tokens: the session cookie and the link in a verification mail are
// JWTs too, signed with HS256 and the secret.

import { betterAuth } from "better-auth";
import { bearer, jwt } from "better-auth/plugins";
import { Pool } from "pg";

export const auth = betterAuth({
  database: new Pool({ connectionString: process.env.DATABASE_URL }),
  emailAndPassword: { enabled: true },
  emailVerification: {
    sendOnSignUp: true,
    sendVerificationEmail: async ({ token }) => console.log(`mail ${token}`),
  },
  session: { cookieCache: { enabled: true, strategy: "jwt" } },
  plugins: [jwt(), bearer()],
});

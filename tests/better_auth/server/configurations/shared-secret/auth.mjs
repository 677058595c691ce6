import { betterAuth } from "better-auth";
import { bearer, jwt } from "better-auth/plugins";
import { SignJWT } from "jose";
import { Pool } from "pg";

const secret = new TextEncoder().encode(process.env.BETTER_AUTH_SECRET);

export const auth = betterAuth({
  database: new Pool({ connectionString: process.env.DATABASE_URL }),
  emailAndPassword: { enabled: true },
  user: { modelName: "users", deleteUser: { enabled: true } },
  advanced: { database: { generateId: "serial" } },
  plugins: [
    jwt({
      jwt: {
        sign: (payload) =>
          new SignJWT(payload).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(secret),
      },
      // Better Auth requires these with a signer. No keys are published for a shared secret.
      jwks: {
        remoteUrl: `${process.env.BETTER_AUTH_URL}/no-keys`,
        keyPairConfig: { alg: "EdDSA" },
      },
    }),
    bearer(),
  ],
});

import { betterAuth } from "better-auth";
import { bearer, jwt } from "better-auth/plugins";
import { Pool } from "pg";

export const auth = betterAuth({
  database: new Pool({ connectionString: process.env.DATABASE_URL }),
  emailAndPassword: { enabled: true },
  user: { deleteUser: { enabled: true } },
  plugins: [jwt({ jwt: { expirationTime: "4s" } }), bearer()],
});

/** The two servers that the page talks to. Both are behind its own origin. */

import { createTasks, fromBetterAuth } from "@taskapi/client";
import { jwtClient } from "better-auth/client/plugins";
import { createAuthClient } from "better-auth/react";

export const authClient = createAuthClient({ plugins: [jwtClient()] });

export const tasks = createTasks({ url: "/", auth: fromBetterAuth(authClient) });

/** What has gone wrong with a call of Better Auth, as a sentence; null if nothing has. */
export async function problemOf(call: Promise<{ error: { message?: string } | null }>) {
  try {
    const { error } = await call;
    return error && (error.message ?? "The server has refused this.");
  } catch {
    return "The server cannot be reached.";
  }
}

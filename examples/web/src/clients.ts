/** The two servers that the page talks to. Both are behind its own origin. */

import { createTasks, fromBetterAuth } from "@taskapi/client";
import { jwtClient } from "better-auth/client/plugins";
import { createAuthClient } from "better-auth/react";

export const authClient = createAuthClient({ plugins: [jwtClient()] });

export const tasks = createTasks({ url: "/", auth: fromBetterAuth(authClient) });

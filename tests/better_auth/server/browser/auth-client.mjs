import { createAuthClient } from "better-auth/client"; // in React: "better-auth/react"
import { jwtClient } from "better-auth/client/plugins";

export const authClient = createAuthClient({ plugins: [jwtClient()] });

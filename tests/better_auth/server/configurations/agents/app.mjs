import { readFile } from "node:fs/promises";
import { json } from "node:stream/consumers";
import { fromNodeHeaders, toNodeHandler } from "better-auth/node";
import { auth } from "./auth.mjs";
import { disconnect, programsOf, registerProgram } from "./programs.mjs";

const PAGES = { "/sign-in": "sign-in.html", "/consent": "consent.html" };

// `/api/auth/` and `/.well-known/oauth-authorization-server/api/auth`
const betterAuth = toNodeHandler(auth);

/** What a signed-in user may ask of the web application itself. */
const ROUTES = {
  "GET /programs": ({ user }) => programsOf(user.id),
  "POST /programs": ({ headers, body }) => registerProgram(headers, body),
  "POST /programs/disconnect": ({ user, body }) => disconnect(user.id, body.client_id),
};

export async function handle(request, response) {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname in PAGES) return sendPage(response, PAGES[pathname]);
  const route = ROUTES[`${request.method} ${pathname}`];
  if (route === undefined) return betterAuth(request, response);
  const headers = fromNodeHeaders(request.headers);
  const session = await auth.api.getSession({ headers });
  const body = request.method === "POST" ? await json(request) : undefined;
  const answer = session && (await route({ headers, body, user: session.user }));
  response.writeHead(session ? 200 : 401, { "Content-Type": "application/json" });
  response.end(JSON.stringify(answer ?? null));
}

async function sendPage(response, name) {
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  response.setHeader("Content-Security-Policy", "frame-ancestors 'none'"); // no page around it
  response.end(await readFile(new URL(name, import.meta.url)));
}

import { readFile } from "node:fs/promises";
import { json } from "node:stream/consumers";
import { APIError, isAPIError } from "better-auth/api";
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
  const route = ROUTES[`${request.method} ${pathname}`];
  if (pathname in PAGES) await sendPage(response, PAGES[pathname]);
  else if (route) await sendAnswer(request, response, route);
  else await betterAuth(request, response);
}

async function sendPage(response, name) {
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  response.setHeader("Content-Security-Policy", "frame-ancestors 'none'"); // no page around it
  response.end(await readFile(new URL(name, import.meta.url)));
}

async function sendAnswer(request, response, route) {
  const [status, answer = null] = await answerOf(request, route).catch(failure);
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(answer));
}

async function answerOf(request, route) {
  const headers = fromNodeHeaders(request.headers);
  const session = await auth.api.getSession({ headers });
  if (!session) throw new APIError("UNAUTHORIZED");
  const body = request.method === "POST" ? await json(request) : undefined;
  return [200, await route({ headers, body, user: session.user })];
}

function failure(error) {
  if (isAPIError(error)) return [error.statusCode, error.body];
  if (error instanceof SyntaxError) return [400];
  console.error(error);
  return [500];
}

// People of the tests, with tokens of the service's secret (TASKAPI_SECRET).
import { createHmac, randomInt } from "node:crypto";
import { createTasks } from "../../dist/index.js";

export const service = process.env.TASKAPI_URL;

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token with exactly these claims. */
export function sign(claims) {
  const text = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded(claims)}`;
  const mac = createHmac("sha256", process.env.TASKAPI_SECRET).update(text);
  return `${text}.${mac.digest("base64url")}`;
}

/** Seconds since 1970. */
export const now = () => Date.now() / 1000;

/** A token that names this user for an hour. */
export const tokenFor = (user) => sign({ sub: user, iat: now(), exp: now() + 3600 });

/** The id of a user whom no other test knows, exact in JavaScript. */
export const newUser = () => String(2 ** 52 + randomInt(2 ** 47));

/** An auth server's client. `tokens` are given one after the other, the last one again and again. */
export function authOf(...tokens) {
  const auth = {
    asked: [],
    async token(refused) {
      auth.asked.push(refused);
      const given = tokens.length > 1 ? tokens.shift() : tokens[0];
      return typeof given === "function" ? given() : given;
    },
  };
  return auth;
}

/** A client of a new user, or of this one. */
export function clientOf({ user = newUser(), url = service, ...settings } = {}) {
  return createTasks({ url, auth: authOf(tokenFor(user)), ...settings });
}

/** What a promise rejects with. */
export async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it has not failed");
}

/** Returns when something holds that must come about by itself. */
export async function eventually(holds) {
  while (!(await holds())) await new Promise((done) => setTimeout(done, 20));
}

// The TypeScript client with Better Auth's own client (with-better-auth.mjs of its README), against
// a running Better Auth, whose tokens live for 4 seconds, and a running service.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";

const { BETTER_AUTH_URL, CLIENT } = process.env;
const nodeFetch = globalThis.fetch;

// What a browser adds to Node's fetch: cookies, and the origin of the page.
const cookies = new Map();
const answers = [];
let failures = 0; // how many of the next requests do not reach the auth server

globalThis.fetch = async (address, options = {}) => {
  const { origin, pathname } = new URL(address);
  const isAuth = origin === BETTER_AUTH_URL;
  if (isAuth && failures-- > 0) throw new TypeError("fetch failed");
  const headers = new Headers(options.headers);
  if (isAuth) {
    headers.set("Origin", BETTER_AUTH_URL);
    headers.set("Cookie", [...cookies].map((pair) => pair.join("=")).join("; "));
  }
  const response = await nodeFetch(address, { ...options, headers });
  for (const cookie of isAuth ? response.headers.getSetCookie() : []) {
    const [name, value] = cookie.split(";")[0].split("=");
    cookies.set(name, value);
  }
  answers.push(`${isAuth ? "auth" : "tasks"} ${pathname.split("/").at(-1)} ${response.status}`);
  return response;
};

const { authClient, signOut, tasks } = await import(CLIENT);

const password = "correct horse battery staple";
let users = 0;

async function signUp(name) {
  users += 1;
  const email = `client-${users}-${process.pid}@example.com`;
  const { data, error } = await authClient.signUp.email({ name, email, password });
  assert.equal(error, null);
  return data.user.id;
}

const codeOf = (call) => call.then(() => "none", ({ code }) => code);
const count = (answer) => answers.filter((each) => each === answer).length;

async function eventually(holds) {
  while (!(await holds())) await new Promise((done) => setTimeout(done, 50));
}

beforeEach(() => {
  tasks.forget();
  cookies.clear();
  answers.length = 0;
  failures = 0;
});
after(() => tasks.forget());

test("a user who is signed in has tasks, and nobody has none", async () => {
  assert.equal(await codeOf(tasks.list().page()), "signed_out");
  const id = await signUp("Zoë 🦊");
  assert.equal(await tasks.user(), id);
  const milk = await tasks.create({ title: "Buy milk" });
  assert.deepEqual((await tasks.list().page()).tasks, [milk]);
  assert.equal(count("auth token 200"), 1);
  await signOut();
  assert.equal(await codeOf(tasks.list().page()), "signed_out");
  await signUp("Bob");
  assert.equal((await tasks.list().page()).total, 0);
});

test("tokens expire, also under a stream, and are renewed in time", async () => {
  await signUp("Alice");
  const titles = [];
  const subscription = tasks.subscribe({
    onChanges: (changes) => titles.push(...changes.map(({ task }) => task.title)),
    onResync() {},
  });
  let number = 0;
  await eventually(async () => {
    await tasks.create({ title: `${number++}` });
    return count("auth token 200") >= 3 && count("tasks events 200") >= 2;
  });
  await eventually(() => titles.length >= number);
  assert.deepEqual(answers.filter((answer) => answer.endsWith("401")), []);
  assert.deepEqual(titles, Array.from({ length: number }, (_, index) => `${index}`));
  subscription.close();
  await subscription.done;
});

test("an auth server that is away is no sign-out", async () => {
  await signUp("Alice");
  failures = 1;
  assert.equal((await tasks.list().page()).total, 0);
  assert.equal(count("auth token 200"), 1);
});

test("a deleted account ends calls and subscriptions", async () => {
  await signUp("Alice");
  await tasks.create({ title: "Buy milk" });
  const errors = [];
  const told = [];
  const subscription = tasks.subscribe({
    onChanges() {},
    onResync() {},
    onStatus: (status) => told.push(status),
    onError: ({ code }) => errors.push(code),
  });
  await eventually(() => told.includes("open"));
  assert.equal((await authClient.deleteUser({ password })).error, null);
  assert.equal(await codeOf(tasks.create({ title: "x" })), "user_not_found");
  await subscription.done;
  assert.equal(told.at(-1), "closed");
  // By the old token the account is not there any more; there is none for it after that.
  assert.ok(["user_not_found", "signed_out"].includes(errors.join()));
});

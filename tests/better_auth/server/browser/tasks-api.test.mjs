// The code of docs/better-auth.md against a running Better Auth (BETTER_AUTH_URL) and a running
// service (TASKS_URL).

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

const AUTH_URL = process.env.BETTER_AUTH_URL;
const nodeFetch = globalThis.fetch;

// What a browser adds to Node's fetch: cookies, and the origin of the page.
const cookies = new Map();
let tokensFetched = 0;
let damaged = 0; // how many of the next calls of the API carry a token that is not whole

globalThis.fetch = async (address, options = {}) => {
  const headers = new Headers(options.headers);
  headers.set("Origin", AUTH_URL);
  const { origin, pathname } = new URL(address);
  if (origin === AUTH_URL) {
    headers.set("Cookie", [...cookies].map((pair) => pair.join("=")).join("; "));
    if (pathname.endsWith("/token")) tokensFetched += 1;
  } else if (damaged > 0) {
    damaged -= 1;
    headers.set("Authorization", headers.get("Authorization").slice(0, -8));
  }
  const response = await nodeFetch(address, { ...options, headers });
  for (const cookie of origin === AUTH_URL ? response.headers.getSetCookie() : []) {
    const [name, value] = cookie.split(";")[0].split("=");
    cookies.set(name, value);
  }
  return response;
};

const { authClient } = await import("./auth-client.mjs");
const { createTasksApi, TasksApiError } = await import("./tasks-api.mjs");

let tasksApi;
let users = 0;

beforeEach(async () => {
  users += 1;
  cookies.clear();
  const { error } = await authClient.signUp.email({
    name: "Zoë 🦊",
    email: `browser-${users}-${process.pid}@example.com`,
    password: "correct horse battery staple",
  });
  assert.equal(error, null);
  tasksApi = createTasksApi({ authClient, url: process.env.TASKS_URL });
  tokensFetched = 0;
  damaged = 0;
});

test("everything that a user does takes one token", async () => {
  const [milk, bread] = await Promise.all([tasksApi.create("Milk"), tasksApi.create("Bread")]);
  assert.equal((await tasksApi.update(milk.id, { description: "oat" })).description, "oat");
  assert.equal((await tasksApi.complete(milk.id)).is_completed, true);
  assert.equal((await tasksApi.toggle(milk.id)).is_completed, false);
  assert.equal((await tasksApi.get(milk.id)).title, "Milk");
  assert.equal(await tasksApi.remove(bread.id), null);
  assert.deepEqual((await tasksApi.list({ limit: 10 })).tasks.map((task) => task.id), [milk.id]);
  assert.equal(tokensFetched, 1);
});

test("a token is replaced shortly before it ends, by one fetch for all", async () => {
  await tasksApi.list();
  const clock = mock.method(Date, "now", () => new Date().getTime() + 14.5 * 60_000);
  await Promise.all([tasksApi.list(), tasksApi.list(), tasksApi.list()]);
  clock.mock.restore();
  assert.equal(tokensFetched, 2);
});

test("a refused token is replaced, and the call repeated once", async () => {
  await tasksApi.list();
  damaged = 1;
  await tasksApi.create("Milk");
  assert.equal((await tasksApi.list()).total, 1);
  assert.equal(tokensFetched, 2);
});

test("a call that is refused twice ends with the API's own words", async () => {
  damaged = 2;
  await assert.rejects(tasksApi.list(), (error) => {
    assert(error instanceof TasksApiError);
    assert.equal(error.status, 401);
    assert.equal(error.code, "invalid_token");
    assert(error.requestId);
    return true;
  });
  assert.deepEqual((await tasksApi.list()).tasks, []);
});

test("after sign-out nobody's token is left", async () => {
  await tasksApi.list();
  await authClient.signOut();
  tasksApi.forget();
  await assert.rejects(tasksApi.list(), { status: 401, code: "signed_out" });
});

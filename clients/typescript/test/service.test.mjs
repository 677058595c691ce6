// A service of this test alone: it is stopped, started, restored, and has few calls for a user.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";
import { copyOf, inStep } from "./support/copy.mjs";
import { clientOf, eventually, newUser } from "./support/people.mjs";

const { TASKAPI, TASKAPI_SECRET, DATABASE_URL } = process.env;
const RATE = 100;

const settings = {
  DATABASE_URL,
  BETTER_AUTH_SECRET: TASKAPI_SECRET,
  CREATE_UNKNOWN_USERS: "true",
  USER_RATE: RATE,
  LOG_LEVEL: "error",
};
const options = {
  cwd: new URL(".", import.meta.url),
  env: { PATH: process.env.PATH, ...settings },
};

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

/** Starts the service; gives what stops it. */
async function start(port, t) {
  const service = spawn(TASKAPI, ["serve", "--port", port], { ...options, stdio: "inherit" });
  t.after(() => service.kill("SIGKILL"));
  const isReady = () =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  await eventually(isReady);
  return async () => {
    service.kill("SIGTERM");
    await once(service, "exit");
  };
}

test("a service that is stopped, restored, and short of calls", async (t) => {
  const port = await freePort();
  const user = newUser();
  const tasks = clientOf({ user, url: `http://127.0.0.1:${port}` });
  const copy = copyOf(tasks);
  const fromNow = copyOf(tasks, { since: "now" });
  for (const { close } of [copy, fromNow]) t.after(close);
  await eventually(() => copy.told.at(-1) === "offline");
  const stop = await start(port, t);
  const milk = await tasks.create({ title: "Buy milk" });
  await tasks.create({ title: "Buy tea" });

  await t.test("a subscription outlives a stop, and misses nothing", async () => {
    await inStep(copy, tasks);
    await stop();
    await eventually(() => copy.told.at(-1) === "offline");
    await start(port, t);
    const other = clientOf({ user, url: tasks.url });
    await other.remove(milk);
    await other.create({ title: "Buy bread" });
    await inStep(copy, tasks);
    assert.deepEqual(
      [...copy.tasks.values()].map(({ title }) => title),
      ["Buy tea", "Buy bread"],
    );
    assert.deepEqual([copy.resyncs, copy.errors], [0, []]);
  });

  await t.test("after a restore everything comes anew", async () => {
    copy.tasks.set(0, "of before the restore");
    await eventually(() => fromNow.resyncs === 1);
    await promisify(execFile)(TASKAPI, ["new-epoch"], options);
    await tasks.create({ title: "Buy jam" });
    await inStep(copy, tasks);
    assert.equal(copy.tasks.size, 3);
    assert.deepEqual([copy.resyncs, copy.errors], [1, []]);
    await eventually(() => fromNow.resyncs === 2);
  });

  await t.test("calls over the rate are made a little later", async () => {
    let refusals = 0;
    const counting = async (...request) => {
      const response = await fetch(...request);
      if (response.status === 429) refusals += 1;
      return response;
    };
    const busy = clientOf({ url: tasks.url, fetch: counting });
    await busy.create({ title: "Buy milk" });
    while (refusals === 0) {
      const lists = Array.from({ length: RATE / 10 + 1 }, () => busy.list({ limit: 1000 }).page());
      assert.ok((await Promise.all(lists)).every(({ total }) => total === 1));
    }
  });
});

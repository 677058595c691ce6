// A network that fails in every way, between a client and the running service.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Conflict } from "../dist/index.js";
import { clientOf, errorOf, newUser, service } from "./support/people.mjs";
import {
  cutAfter,
  halve,
  hang,
  html,
  json,
  lose,
  refuse,
  startProxy,
  trickle,
} from "./support/proxy.mjs";

/** A client behind a proxy, and the same user's without one. */
async function behindProxy(test, settings) {
  const user = newUser();
  const proxy = await startProxy(service, test);
  return {
    proxy,
    tasks: clientOf({ user, url: proxy.url, ...settings }),
    direct: clientOf({ user }),
  };
}

const everyTitle = async (tasks) => (await tasks.list().page()).tasks.map(({ title }) => title);

const FAULTS = { lose, refuse, half: cutAfter(20), halve, bad: html(502), late: html(504) };

// Most of the time is pauses, which all tests make together.
describe("a network that fails", { concurrency: true }, () => {
  for (const [name, fault] of Object.entries(FAULTS)) {
    test(`what is lost is sent again, and takes effect once: ${name}`, async (t) => {
      const { proxy, tasks, direct } = await behindProxy(t);
      const through = (call) => {
        proxy.faults = [fault];
        return call;
      };
      const made = await through(tasks).create({ title: "Buy milk" });
      const changed = await through(tasks).update(made, { title: "Buy oat milk" });
      const done = await through(tasks).complete(changed);
      assert.deepEqual([done.title, done.is_completed], ["Buy oat milk", true]);
      assert.deepEqual(await through(tasks).get(made.id), done);
      await through(tasks).batch([{ op: "create", title: "Buy tea" }]);
      await through(tasks).create({ title: "Buy bread", key: "c-1" });
      assert.equal((await through(tasks).list({ q: "buy" }).page()).total, 3);
      assert.deepEqual(await everyTitle(direct), ["Buy bread", "Buy tea", "Buy oat milk"]);
      assert.equal(await through(tasks).remove(done), undefined);
      assert.deepEqual(await everyTitle(direct), ["Buy bread", "Buy tea"]);
    });
  }

  test("a repetition has the key of the first attempt, and another call another key", async (t) => {
    const { proxy, tasks } = await behindProxy(t);
    proxy.faults = [lose, html(503)];
    await tasks.create({ title: "Buy milk" });
    await tasks.create({ title: "Buy milk" });
    const keys = proxy.seen.map(({ headers }) => headers["idempotency-key"]);
    assert.equal(new Set(keys.slice(0, 3)).size, 1);
    assert.equal(new Set(keys).size, 2);
  });

  test("an edit that took effect is no conflict with itself, and another one is", async (t) => {
    const { proxy, tasks, direct } = await behindProxy(t);
    const base = await tasks.create({ title: "Buy milk" });
    proxy.faults = [lose];
    const mine = await tasks.update(base, { title: "Buy oat milk" });
    assert.equal(mine.title, "Buy oat milk");
    const theirs = await direct.update(mine, { title: "Buy soy milk" });
    proxy.faults = [lose];
    const conflict = await errorOf(tasks.update(mine, { title: "Buy rice milk" }));
    assert.ok(conflict instanceof Conflict);
    assert.deepEqual(conflict.theirs, theirs);
  });

  test("a task that was never there is no removal whose answer was lost", async (t) => {
    const { proxy, tasks } = await behindProxy(t);
    assert.equal((await errorOf(tasks.remove(4711))).code, "task_not_found");
    proxy.faults = [html(429)]; // which says that it was not done
    assert.equal((await errorOf(tasks.remove(4711))).code, "task_not_found");
  });

  test("a refusal is never sent again", async (t) => {
    const { proxy, tasks } = await behindProxy(t);
    const calls = {
      validation_failed: () => tasks.create({ title: "" }),
      task_not_found: () => tasks.update(4711, { title: "x" }),
      not_a_response_of_the_api: () => tasks.list().page(),
    };
    for (const [code, call] of Object.entries(calls)) {
      proxy.seen.length = 0;
      if (code === "not_a_response_of_the_api") proxy.faults = [html(404)];
      assert.equal((await errorOf(call())).code, code);
      assert.equal(proxy.seen.length, 1);
    }
  });

  test("what something else has answered is told as that", async (t) => {
    const { proxy, tasks } = await behindProxy(t);
    const answers = { 200: {}, 204: {}, 302: { Location: service }, 400: {}, 403: {}, 500: {} };
    for (const [status, headers] of Object.entries(answers)) {
      proxy.faults = [html(Number(status), headers)];
      const error = await errorOf(tasks.create({ title: "x" }));
      assert.equal(error.code, "not_a_response_of_the_api");
      assert.equal(error.status, Number(status));
      assert.match(error.detail, /^Something else than the API has answered \(\d+\)\.$/);
      assert.equal(error.requestId, null);
    }
    for (const body of [null, [], "x", { ok: true }]) {
      proxy.faults = [json(body)];
      assert.equal((await errorOf(tasks.get(1))).code, "not_a_response_of_the_api");
    }
    assert.equal((await tasks.list().page()).total, 0);
  });

  test("a redirect is not followed, because a POST would arrive as a GET", async (t) => {
    const { proxy, tasks } = await behindProxy(t);
    proxy.faults = [html(301, { Location: `${proxy.url}/api/1/tasks` })];
    const { code, status } = await errorOf(tasks.create({ title: "x" }));
    assert.deepEqual([code, status, proxy.seen.length], ["not_a_response_of_the_api", 301, 1]);
  });

  test("Retry-After is waited for, in seconds or as a time of the sender's clock", async (t) => {
    const { proxy, tasks } = await behindProxy(t);
    const times = {
      "Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT",
      Date: "Fri, 31 Dec 1999 23:59:58 GMT",
    };
    for (const headers of [{ "Retry-After": "1" }, times]) {
      proxy.faults = [html(503, headers)];
      proxy.seen.length = 0;
      await tasks.list().page();
      const [first, second] = proxy.seen;
      assert.ok(second.at - first.at >= 999, `${second.at - first.at} ms`);
    }
  });

  test("a long Retry-After is told, and not waited for", async (t) => {
    const { proxy, tasks } = await behindProxy(t);
    proxy.faults = [html(503, { "Retry-After": "3600" })];
    const { status, retryAfter } = await errorOf(tasks.list().page());
    assert.deepEqual([status, retryAfter, proxy.seen.length], [503, 3600, 1]);
  });

  test("the number of repetitions is bounded", async (t) => {
    const { proxy, tasks } = await behindProxy(t, { maxRetries: 2 });
    proxy.usual = html(502);
    assert.equal((await errorOf(tasks.list().page())).status, 502);
    assert.equal(proxy.seen.length, 3);
    proxy.usual = refuse;
    const { status, code, cause } = await errorOf(tasks.list().page());
    assert.deepEqual([status, code, proxy.seen.length], [0, "network", 6]);
    assert.ok(cause instanceof TypeError);
  });

  test("an attempt that is never answered ends", async (t) => {
    const { proxy, tasks } = await behindProxy(t, { timeout: 1000, maxRetries: 9 });
    proxy.faults = [hang];
    assert.equal((await tasks.create({ title: "Buy milk" })).title, "Buy milk");
    const hasty = clientOf({ url: proxy.url, timeout: 50, maxRetries: 1 });
    proxy.usual = hang;
    assert.equal((await errorOf(hasty.list().page())).code, "network");
  });

  test("a page may take longer than that, as long as something comes", async (t) => {
    const { proxy, tasks } = await behindProxy(t, { timeout: 2000 });
    proxy.usual = trickle(700);
    assert.equal((await tasks.list().page()).total, 0);
  });

  test("a signal ends the pause before a repetition", async (t) => {
    const { proxy, tasks } = await behindProxy(t);
    proxy.usual = html(503, { "Retry-After": "29" });
    const leave = new AbortController();
    const call = errorOf(tasks.create({ title: "x" }, { signal: leave.signal }));
    while (proxy.seen.length === 0) await new Promise(setImmediate);
    leave.abort(new Error("enough"));
    assert.equal((await call).message, "enough");
    assert.equal(proxy.seen.length, 1);
  });
});

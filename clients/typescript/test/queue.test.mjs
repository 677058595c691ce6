// The queue, against the running service: what it sends, when, and in which tab.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTasks } from "../dist/index.js";
import { deviceOf, holding, offline, shown, tasksOf, titlesOf } from "./support/devices.mjs";
import { authOf, clientOf, eventually, newUser, tokenFor } from "./support/people.mjs";
import { html, lose, pass } from "./support/proxy.mjs";

/** Those of the batches, whose repetitions have the same. */
const keysOf = ({ seen }) => new Set(seen.map(({ headers }) => headers["idempotency-key"]));

describe("a queue", { concurrency: true }, () => {
  test("sends what was done offline, once, in one operation of each task", async (t) => {
    const { queue, user, online, settled, proxy } = await offline(t);
    const key = await queue.create({ title: " Buy milk " });
    await queue.update(key, { description: "One litre" });
    await queue.update(key, { description: "Two litres" });
    await queue.complete(key);
    await queue.create({ title: "Buy tea" });
    await queue.flush();
    assert.equal(queue.error.code, "network");
    assert.deepEqual(shown(queue), ["Buy tea", "Buy milk"]);
    const [, draft] = queue.overlay([]);
    assert.ok(draft.id < 0 && draft.key === key && draft.waiting);
    assert.deepEqual([draft.description, draft.is_completed], ["Two litres", true]);
    await online();
    assert.equal(keysOf(proxy).size, 2); // the create was under way when the others were added
    assert.deepEqual([queue.pending, queue.error], [0, null]);
    const [milk] = await tasksOf(user);
    assert.deepEqual([milk.description, milk.is_completed], ["Two litres", true]);
    assert.deepEqual([settled[0].operation.key, settled[1].task], [key, milk]);
  });

  test("sends a batch whose answer was lost again, the same with the same key", async (t) => {
    const { queue, user, proxy } = await deviceOf(t);
    await queue.flush();
    proxy.faults = [lose];
    proxy.seen.length = 0;
    await queue.create({ title: "Buy milk" });
    await eventually(() => queue.error);
    await queue.create({ title: "Buy tea" });
    await queue.flush();
    assert.deepEqual(await titlesOf(user), ["Buy milk", "Buy tea"]);
    const keys = proxy.seen.map(({ headers }) => headers["idempotency-key"]);
    assert.equal(new Set(keys).size, 2);
    assert.equal(keys[0], keys[1]);
  });

  test("sends it again after a restart too", async (t) => {
    const { queue, user, proxy, tab } = await deviceOf(t);
    await queue.flush();
    const answer = holding("answer");
    proxy.faults = [answer];
    await queue.create({ title: "Buy milk" });
    await answer.arrived;
    queue.close();
    const next = tab();
    await next.queue.flush();
    assert.deepEqual(await titlesOf(user), ["Buy milk"]);
    assert.deepEqual([next.queue.pending, next.settled.length], [0, 1]);
    const [first, second] = proxy.seen.map(({ headers }) => headers["idempotency-key"]).slice(-2);
    assert.equal(first, second);
  });

  test("what is refused does not hold up the others", async (t) => {
    const { queue, user, online, refused } = await offline(t);
    for (const title of ["a", "b", " ", "c", "d"]) await queue.create({ title });
    await online();
    await eventually(() => refused.length > 0);
    assert.deepEqual((await titlesOf(user)).sort(), ["a", "b", "c", "d"]);
    assert.deepEqual(
      [refused.length, refused[0].error.code, queue.pending],
      [1, "validation_failed", 0],
    );
    assert.deepEqual(Object.keys(refused[0].error.fieldErrors), ["title"]);
  });

  test("what depends on a refused create is refused with it", async (t) => {
    const { queue, proxy, refused, user } = await deviceOf(t);
    await queue.flush();
    const first = holding("request");
    proxy.faults = [first];
    const key = await queue.create({ title: "x".repeat(501) });
    await first.arrived;
    await queue.update(key, { description: "Two litres" });
    first.release();
    await eventually(() => refused.length > 0);
    assert.deepEqual([queue.pending, refused.length], [0, 1]);
    assert.deepEqual(
      [refused[0].operation.op, refused[0].operation.description],
      ["create", "Two litres"],
    );
    assert.deepEqual(await titlesOf(user), []);
  });

  test("more than one request takes is sent in several", async (t) => {
    const { queue, user, online, proxy } = await offline(t);
    const long = "\u{1d11e}".repeat(5000); // 20 kB in UTF-8
    for (let number = 0; number < 120; number += 1) {
      await queue.create({ title: `Task ${number}`, description: number < 60 ? long : "" });
    }
    await online();
    assert.equal((await clientOf({ user }).list().page()).total, 120);
    assert.deepEqual([queue.pending, keysOf(proxy).size], [0, 3]); // the first was alone
  });

  test("a request that a proxy calls too large is sent in parts", async (t) => {
    const { queue, user, online } = await offline(t);
    for (const title of ["a", "b", "c"]) await queue.create({ title });
    const small = ({ headers }) => Number(headers["content-length"]) < 250;
    await online((...given) => (small(given[0]) ? pass : html(413))(...given));
    assert.deepEqual((await titlesOf(user)).sort(), ["a", "b", "c"]);
  });

  for (const [name, fault, code] of [
    ["is limited", html(429, { "Retry-After": "7" }), "not_a_response_of_the_api"],
    ["is down", html(503), "not_a_response_of_the_api"],
    ["has a proxy that answers 500", html(500), "not_a_response_of_the_api"],
    ["has a portal in front", html(200), "not_a_response_of_the_api"],
    ["is not the API", html(404), "not_a_response_of_the_api"],
  ]) {
    test(`nothing is refused while the service ${name}`, async (t) => {
      const { queue, user, proxy, refused } = await deviceOf(t);
      await queue.flush();
      proxy.faults = [fault];
      await queue.create({ title: "Buy milk" });
      await eventually(() => queue.error);
      assert.deepEqual([queue.pending, queue.error.code, refused.length], [1, code, 0]);
      await queue.flush();
      assert.deepEqual([await titlesOf(user), queue.error], [["Buy milk"], null]);
    });
  }

  test("it tries again by itself", async (t) => {
    const { queue, user, proxy } = await deviceOf(t);
    await queue.flush();
    proxy.faults = [html(503)];
    await queue.create({ title: "Buy milk" });
    await eventually(() => queue.error !== null);
    await eventually(() => queue.pending === 0);
    assert.deepEqual(await titlesOf(user), ["Buy milk"]);
  });

  test("operations of a user are sent with no other one's token", async (t) => {
    const [alice, bob] = [newUser(), newUser()];
    const device = await deviceOf(t, alice);
    device.queue.close();
    let signedIn = null;
    const auth = authOf(() => signedIn);
    const tasks = createTasks({ url: device.proxy.url, auth, maxRetries: 0 });
    const { queue } = device.tab({ tasks });
    await queue.create({ title: "Buy milk" });
    const others = device.tab({ tasks, user: bob });
    for (const user of [null, bob]) {
      signedIn = user && tokenFor(user);
      tasks.forget();
      await queue.flush();
      assert.deepEqual([queue.pending, queue.error.code], [1, "signed_out"]);
    }
    await others.queue.flush();
    signedIn = tokenFor(alice);
    tasks.forget();
    await queue.flush();
    assert.deepEqual([await titlesOf(alice), await titlesOf(bob)], [["Buy milk"], []]);
  });

  test("two tabs add and send at once, and both see everything", async (t) => {
    const device = await deviceOf(t);
    const tabs = [device, device.tab(), device.tab()];
    await Promise.all(
      tabs.flatMap(({ queue }, tab) =>
        Array.from({ length: 10 }, (_, number) => queue.create({ title: `${tab} ${number}` })),
      ),
    );
    await eventually(() => tabs.every(({ queue }) => queue.pending === 0));
    assert.equal(new Set(await titlesOf(device.user)).size, 30);
    await eventually(() => tabs.every(({ settled }) => settled.length === 30));
  });

  test("the overlay forgets a task when onSettled has told of it, in every tab", async (t) => {
    const device = await deviceOf(t);
    const watched = (settings) => {
      const lists = [];
      let rows = [];
      const { queue } = device.tab({ onSettled: ({ task }) => (rows = [task]), ...settings });
      queue.subscribe(() => lists.push(shown(queue, rows)));
      return lists;
    };
    const all = [watched(), watched()];
    await device.queue.create({ title: "Buy milk" });
    await eventually(() => device.queue.pending === 0);
    await eventually(() => all.every((lists) => lists.length > 1));
    for (const lists of all) {
      const from = lists.findIndex(({ length }) => length > 0);
      assert.ok(
        lists.slice(from).every((list) => list.join() === "Buy milk"),
        String(lists),
      );
    }
  });

  test("a created task that is known by its key is not shown twice", async (t) => {
    const { queue, user, tasks } = await offline(t);
    const key = await queue.create({ title: "Buy milk" });
    const task = { ...(await clientOf({ user }).create({ title: "Buy milk" })), key };
    assert.deepEqual(queue.overlay([task]), [task]);
    assert.ok(tasks);
  });
});

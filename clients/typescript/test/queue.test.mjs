// The queue, against the running service, with networks that fail.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Conflict, createTasks } from "../dist/index.js";
import { deviceOf, holding, tasksOf } from "./support/devices.mjs";
import { authOf, clientOf, errorOf, eventually, newUser, tokenFor } from "./support/people.mjs";
import { html, lose, pass, refuse } from "./support/proxy.mjs";

const shown = (queue, tasks = []) => queue.overlay(tasks).map(({ title }) => title);
const titlesOf = async (user) => (await tasksOf(user)).map(({ title }) => title);

/** A device that is offline. */
async function offline(t, user) {
  const device = await deviceOf(t, user);
  await device.queue.flush();
  device.proxy.usual = refuse;
  device.online = async (usual = pass) => {
    device.proxy.usual = usual;
    await device.queue.flush();
  };
  return device;
}

/** A task of a user, and a device that has read it. */
async function withMilk(t, open = deviceOf) {
  const device = await open(t);
  const other = clientOf({ user: device.user });
  const milk = await other.create({ title: "Buy milk" });
  return { ...device, other, milk };
}

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
    proxy.seen.length = 0;
    await online();
    assert.equal(proxy.seen.length, 2); // the create was under way when the others were added
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

  for (const what of ["request", "answer"]) {
    test(`own edits in a row are no conflict: the ${what} of the first is under way`, async (t) => {
      const { queue, proxy, milk, conflicts, other } = await withMilk(t);
      await queue.flush();
      const first = holding(what);
      proxy.faults = [first];
      await queue.update(milk, { title: "Buy oat milk" });
      await first.arrived;
      const [overlaid] = queue.overlay([milk]);
      await queue.update(overlaid, { description: "One litre" });
      await queue.update(milk, { description: "Two litres" });
      await queue.complete(milk);
      first.release();
      await queue.flush();
      const { title, description, is_completed } = await other.get(milk.id);
      assert.deepEqual([title, description, is_completed], ["Buy oat milk", "Two litres", true]);
      assert.deepEqual([conflicts.length, queue.pending], [0, 0]);
    });
  }

  test("an own edit that was settled while a form was open is no conflict", async (t) => {
    const { queue, milk, other, conflicts } = await withMilk(t);
    await queue.complete(milk);
    const [form] = queue.overlay([milk]);
    await queue.flush();
    await queue.update(form, { title: "Buy oat milk" });
    await queue.flush();
    const now = await other.get(milk.id);
    assert.deepEqual([now.title, now.is_completed, conflicts.length], ["Buy oat milk", true, 0]);
  });

  test("a later edit conflicts with what somebody did after the first one", async (t) => {
    const { queue, proxy, milk, other, conflicts } = await withMilk(t);
    await queue.flush();
    const first = holding("answer");
    proxy.faults = [first];
    await queue.update(milk, { title: "Buy oat milk" });
    await first.arrived;
    await queue.update(milk, { description: "Two litres" });
    await other.update(milk.id, { title: "Buy soy milk" });
    first.release();
    await queue.flush();
    await eventually(() => conflicts.length > 0);
    const [{ base, mine, theirs, merged, fields }] = conflicts;
    assert.equal(base.title, "Buy oat milk");
    assert.deepEqual([mine.description, theirs.title, fields], ["Two litres", "Buy soy milk", []]);
    assert.deepEqual([merged.title, merged.description], ["Buy soy milk", "Two litres"]);
  });

  test("so it does where the answer to the first was lost", async (t) => {
    const { queue, proxy, milk, other, conflicts } = await withMilk(t);
    await queue.flush();
    proxy.faults = [lose];
    await queue.update(milk, { title: "Buy oat milk" });
    await eventually(() => queue.error);
    proxy.usual = refuse;
    await queue.update(milk, { title: "Buy rice milk" });
    await queue.flush();
    await other.update(milk.id, { title: "Buy soy milk" });
    proxy.usual = pass;
    await queue.flush();
    await eventually(() => conflicts.length > 0);
    assert.deepEqual(
      [conflicts[0].base.title, conflicts[0].theirs.title, conflicts[0].fields],
      ["Buy oat milk", "Buy soy milk", ["title"]],
    );
    assert.equal((await other.get(milk.id)).title, "Buy soy milk");
  });

  test("edits under way and waiting are one conflict, and overwrite is queued", async (t) => {
    const { queue, proxy, milk, other, conflicts } = await withMilk(t);
    await queue.flush();
    await other.update(milk.id, { title: "Buy soy milk" });
    const first = holding("request");
    proxy.faults = [first];
    await queue.update(milk, { title: "Buy oat milk" });
    await first.arrived;
    await queue.update(milk, { description: "Two litres" });
    first.release();
    await eventually(() => conflicts.length > 0 && queue.pending === 0);
    assert.equal(conflicts.length, 1);
    const [conflict] = conflicts;
    assert.ok(conflict instanceof Conflict);
    assert.equal(conflict.code, "version_mismatch");
    assert.deepEqual(conflict.mine, {
      title: "Buy oat milk",
      description: "Two litres",
      is_completed: false,
    });
    assert.deepEqual(shown(queue, [conflict.theirs]), ["Buy soy milk"]);
    const saved = await conflict.overwrite();
    assert.equal(saved.title, "Buy oat milk");
    await queue.flush();
    assert.equal((await other.get(milk.id)).description, "Two litres");
  });

  test("two devices that do the same are in no conflict", async (t) => {
    const { queue, milk, other, conflicts, settled } = await withMilk(t);
    const done = await other.complete(milk.id);
    await queue.complete(milk);
    await queue.flush();
    assert.deepEqual([conflicts.length, settled[0].task], [0, done]);
  });

  test("a conflict stays stored until it is handled", async (t) => {
    const { queue, milk, other, tab, storage, proxy, user } = await withMilk(t);
    queue.close();
    const open = [];
    const first = tab({ onConflict: (each) => new Promise(() => open.push(each)) });
    await first.queue.flush();
    await other.complete(milk.id);
    await first.queue.update(milk, { title: "Buy oat milk" });
    await eventually(() => open.length > 0);
    first.queue.close(); // while its dialog is open
    const second = tab();
    await eventually(() => second.conflicts.length > 0);
    assert.equal(second.conflicts[0].mine.title, "Buy oat milk");
    const stored = await storage(`taskapi:${proxy.url}:${user}`);
    await eventually(async () => (await stored.change((all) => all)).every(({ done }) => done));
  });

  test("without onConflict a conflict is refused", async (t) => {
    const { queue, milk, other, tab } = await withMilk(t);
    queue.close();
    const { queue: plain, refused } = tab({ onConflict: undefined });
    await other.complete(milk.id);
    await plain.update(milk, { title: "Buy oat milk" });
    await eventually(() => refused.length > 0);
    assert.equal(refused[0].error.code, "version_mismatch");
    assert.equal(refused[0].operation.title, "Buy oat milk");
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

  test("a removed task: its removal is settled, an edit is refused", async (t) => {
    const { queue, milk, other, refused, settled } = await withMilk(t);
    const tea = await other.create({ title: "Buy tea" });
    for (const { id } of [milk, tea]) await other.remove(id);
    await queue.update(milk, { title: "Buy oat milk" });
    await queue.remove(tea);
    await queue.flush();
    await eventually(() => refused.length > 0);
    assert.equal(refused[0].error.code, "task_not_found");
    assert.deepEqual([settled.length, settled[0].task], [1, null]);
  });

  test("a removal conflicts with an edit that was not seen", async (t) => {
    const { queue, milk, other, conflicts } = await withMilk(t);
    await other.complete(milk.id);
    await queue.remove(milk);
    await queue.flush();
    await eventually(() => conflicts.length > 0);
    assert.equal((await other.get(milk.id)).is_completed, true);
    await conflicts[0].overwrite();
    await queue.flush();
    assert.equal((await errorOf(other.get(milk.id))).code, "task_not_found");
  });

  test("a removal can wait, be taken back, and ends edits", async (t) => {
    const { queue, milk, other, proxy } = await withMilk(t);
    await queue.flush();
    const removal = await queue.remove(milk, { after: 60_000 });
    assert.deepEqual(shown(queue, [milk]), []);
    assert.equal((await errorOf(queue.update(milk, { title: "x" }))).code, "task_not_found");
    assert.equal(await queue.remove(milk), removal);
    proxy.seen.length = 0;
    await queue.flush();
    assert.deepEqual([proxy.seen.length, queue.pending], [0, 1]);
    assert.equal(await queue.cancel(removal), true);
    assert.deepEqual(shown(queue, [milk]), ["Buy milk"]);
    const short = await queue.remove(milk, { after: 50 });
    await eventually(() => queue.pending === 0);
    assert.equal((await errorOf(other.get(milk.id))).code, "task_not_found");
    assert.equal(await queue.cancel(short), false);
  });

  test("a task that is created, edited and removed while its create is under way", async (t) => {
    const { queue, proxy, user, conflicts, refused } = await deviceOf(t);
    await queue.flush();
    const first = holding("answer");
    proxy.faults = [first];
    const key = await queue.create({ title: "Buy milk" });
    await first.arrived;
    await queue.update(key, { title: "Buy oat milk" });
    await queue.remove(key);
    first.release();
    await queue.flush();
    assert.deepEqual([await titlesOf(user), queue.pending], [[], 0]);
    assert.deepEqual([conflicts.length, refused.length], [0, 0]);
  });

  test("an edit of a created task conflicts with somebody's who was quicker", async (t) => {
    const { queue, proxy, user, conflicts } = await deviceOf(t);
    await queue.flush();
    const first = holding("answer");
    proxy.faults = [first];
    const key = await queue.create({ title: "Buy milk" });
    await first.arrived;
    await queue.update(key, { title: "Buy oat milk" });
    const [milk] = await tasksOf(user);
    proxy.faults = [];
    await clientOf({ user }).update(milk, { title: "Buy soy milk" });
    // The answer is lost, and the one to the repetition has the other title.
    proxy.cut();
    first.release();
    await queue.flush();
    await queue.flush();
    await eventually(() => conflicts.length > 0);
    assert.deepEqual(await titlesOf(user), ["Buy soy milk"]);
    assert.deepEqual(
      [conflicts[0].base.title, conflicts[0].mine.title],
      ["Buy milk", "Buy oat milk"],
    );
  });

  test("more than one request takes is sent in several", async (t) => {
    const { queue, user, online, proxy } = await offline(t);
    const long = "\u{1d11e}".repeat(5000); // 20 kB in UTF-8
    for (let number = 0; number < 120; number += 1) {
      await queue.create({ title: `Task ${number}`, description: number < 60 ? long : "" });
    }
    proxy.seen.length = 0;
    await online();
    assert.equal((await clientOf({ user }).list().page()).total, 120);
    assert.deepEqual([queue.pending, proxy.seen.length], [0, 3]);
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

// The queue, against the running service: edits in a row, conflicts, and removed tasks.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Conflict } from "../dist/index.js";
import {
  deviceOf,
  holding,
  offline,
  shown,
  tasksOf,
  titlesOf,
  withMilk,
} from "./support/devices.mjs";
import { clientOf, errorOf, eventually } from "./support/people.mjs";
import { lose, pass, refuse } from "./support/proxy.mjs";

describe("edits in a queue", { concurrency: true }, () => {
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

  test("own edits in a row are no conflict where the service trims more than JavaScript", async (t) => {
    const { queue, milk, conflicts, other } = await withMilk(t);
    await queue.flush();
    for (const title of ["Buy soy milk\u0085", "\u0085 Buy oat milk\u3000"]) {
      await queue.update(milk, { title }); // it is on its way when the next one comes
    }
    await queue.flush();
    assert.deepEqual([(await other.get(milk.id)).title, conflicts.length], ["Buy oat milk", 0]);
  });

  test("what was done and taken back is in no conflict", async (t) => {
    const { queue, milk, other, conflicts, online } = await withMilk(t, offline);
    await queue.complete(milk);
    await queue.complete(milk, false);
    await other.complete(milk.id);
    await online();
    assert.deepEqual([queue.pending, conflicts.length], [0, 0]);
    assert.equal((await other.get(milk.id)).is_completed, true);
  });

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

  test("what took effect is settled, although the task is removed since", async (t) => {
    const { queue, milk, other, proxy, settled, refused } = await withMilk(t);
    await queue.flush();
    const lost = holding("answer");
    proxy.faults = [lost];
    await queue.update(milk, { title: "Buy oat milk" });
    await lost.arrived;
    await other.remove(milk.id);
    proxy.cut();
    await queue.flush();
    await queue.flush();
    assert.deepEqual([settled.map(({ task }) => task), refused, queue.pending], [[null], [], 0]);
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
});

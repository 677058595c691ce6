// What an application calls, against the running service.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Conflict, createTasks, TasksError } from "../dist/index.js";
import { authOf, clientOf, errorOf, newUser, service, tokenFor } from "./support/people.mjs";

/** A client that counts its requests. */
function counting() {
  const requests = [];
  const counted = (url, options) => {
    requests.push({ url, ...options });
    return fetch(url, options);
  };
  return { tasks: clientOf({ fetch: counted }), requests };
}

const titles = (page) => page.tasks.map(({ title }) => title);

async function withFive(tasks) {
  for (const title of ["a", "b", "c", "d", "e"]) await tasks.create({ title });
}

test("the next page of a list is fetched when it is needed", async () => {
  const { tasks, requests } = counting();
  await withFive(tasks);
  requests.length = 0;
  const list = tasks.list({ sort: "title", limit: 2 });
  assert.equal(requests.length, 0);
  const read = [];
  for await (const { title } of list) {
    read.push(`${title} ${requests.length}`);
    if (title === "d") break;
  }
  assert.deepEqual(read, ["a 1", "b 1", "c 2", "d 2"]);
  for await (const { title } of list) read.push(title);
  assert.deepEqual(read.slice(4), ["a", "b", "c", "d", "e"]);
});

test("pages can be read one by one", async () => {
  const tasks = clientOf();
  await withFive(tasks);
  const list = tasks.list({ sort: "-title", limit: 3 });
  const first = await list.page();
  assert.deepEqual([titles(first), first.total], [["e", "d", "c"], 5]);
  const second = await list.page(first.next_cursor);
  assert.deepEqual([titles(second), second.next_cursor], [["b", "a"], null]);
  const lengths = [];
  for await (const page of list.pages()) lengths.push(page.tasks.length);
  assert.deepEqual(lengths, [3, 2]);
});

test("a query takes what people type, dates, and nothing for nothing", async () => {
  const tasks = clientOf();
  const before = new Date(Date.now() - 86_400_000);
  for (const title of ["50% + more", "50 and more"]) await tasks.create({ title });
  await tasks.complete((await tasks.create({ title: "50% done" })).id);
  const query = { q: "50% ", is_completed: false, created_since: before, updated_before: null };
  assert.deepEqual(titles(await tasks.list(query).page()), ["50% + more"]);
  assert.deepEqual(titles(await tasks.list({ created_before: before }).page()), []);
});

test("a task sends its version, in a copy too, and an id sends none", async () => {
  const { tasks, requests } = counting();
  const milk = await tasks.create({ title: "Buy milk" });
  const copy = { ...milk, selected: true };
  const oat = await tasks.update(copy, { title: "Buy oat milk" });
  assert.equal(requests.at(-1).headers.get("If-Match"), `"${milk.updated_at}"`);
  await tasks.update(milk.id, { description: "Two litres" });
  assert.equal(requests.at(-1).headers.get("If-Match"), null);
  assert.ok((await errorOf(tasks.complete(oat))) instanceof Conflict);
  assert.equal((await tasks.complete(oat.id)).is_completed, true);
  assert.equal((await tasks.complete(oat.id, false)).is_completed, false);
  assert.equal((await tasks.update(milk.id, { description: null })).description, "");
});

test("a conflict has all sides, and is resolved without overwriting a third edit", async () => {
  const user = newUser();
  const [laptop, phone] = [clientOf({ user }), clientOf({ user })];
  const base = await laptop.create({ title: "Buy milk" });
  const theirs = await phone.update(base, { title: "Buy oat milk", is_completed: true });

  const conflict = await errorOf(
    laptop.update(base, { title: "Buy soy milk", description: "Two litres" }),
  );
  assert.ok(conflict instanceof Conflict && conflict instanceof TasksError);
  const { status, code, name, detail, requestId } = conflict;
  assert.deepEqual([status, code, name], [412, "version_mismatch", "Conflict"]);
  assert.ok(detail && requestId);
  assert.deepEqual([conflict.base, conflict.theirs], [base, theirs]);
  const mine = { title: "Buy soy milk", description: "Two litres", is_completed: false };
  assert.deepEqual(conflict.mine, mine);
  assert.deepEqual(conflict.merged, { ...mine, is_completed: true });
  assert.deepEqual(conflict.fields, ["title"]);
  assert.deepEqual(await laptop.get(base.id), theirs);

  const third = await phone.update(theirs, { title: "Buy rice milk" });
  const again = await errorOf(conflict.overwrite());
  assert.ok(again instanceof Conflict);
  assert.deepEqual([again.base, again.theirs, again.fields], [theirs, third, ["title"]]);
  const saved = await again.overwrite();
  const { title, description, is_completed } = saved;
  assert.deepEqual({ title, description, is_completed }, again.merged);
  assert.deepEqual(await phone.get(base.id), saved);
});

test("edits of different fields are a conflict of no field, and both can stay", async () => {
  const user = newUser();
  const [laptop, phone] = [clientOf({ user }), clientOf({ user })];
  const base = await laptop.create({ title: "Buy milk" });
  await phone.update(base, { description: "Two litres" });
  const conflict = await errorOf(laptop.complete(base));
  assert.deepEqual(conflict.fields, []);
  const { description, is_completed } = await conflict.overwrite();
  assert.deepEqual([description, is_completed], ["Two litres", true]);
  const other = await errorOf(laptop.update(base, { title: "x" }));
  assert.equal((await other.overwrite({ title: "y", description: null })).description, "");
});

test("the same edit on both sides is no conflict of a field", async () => {
  const user = newUser();
  const [laptop, phone] = [clientOf({ user }), clientOf({ user })];
  const base = await laptop.create({ title: "Buy milk" });
  await phone.update(base, { title: "Buy oat milk" });
  const conflict = await errorOf(laptop.update(base, { title: "Buy oat milk" }));
  assert.deepEqual(conflict.fields, []);
});

test("a task that somebody has edited is not removed unseen", async () => {
  const user = newUser();
  const [laptop, phone] = [clientOf({ user }), clientOf({ user })];
  const base = await laptop.create({ title: "Buy milk" });
  const theirs = await phone.update(base, { title: "Buy oat milk" });
  const conflict = await errorOf(laptop.remove(base));
  assert.deepEqual([conflict.theirs, conflict.fields], [theirs, []]);
  const third = await phone.update(theirs, { title: "Buy rice milk" });
  const again = await errorOf(conflict.overwrite());
  assert.deepEqual(await again.overwrite(), third);
  assert.equal((await errorOf(laptop.get(base.id))).code, "task_not_found");
  const { id } = await laptop.create({ title: "Buy tea" });
  assert.equal(await laptop.remove(id), undefined);
});

test("a create with a key gives one task", async () => {
  const tasks = clientOf();
  const made = await tasks.create({ title: "Buy milk", key: "c-1", is_completed: true });
  assert.equal(made.is_completed, true);
  assert.deepEqual(await tasks.create({ title: "Buy tea", key: "c-1" }), made);
  assert.equal((await tasks.changes()).changes[0].key, "c-1");
  await tasks.remove(made);
  const gone = await errorOf(tasks.create({ title: "Buy milk", key: "c-1" }));
  assert.deepEqual([gone.status, gone.code], [410, "task_deleted"]);
});

test("errors name the fields, alone and in a batch", async () => {
  const tasks = clientOf();
  const text = "String should have at least 1 character";
  for (const given of [{ title: " " }, { title: "", key: "c-1" }]) {
    const { status, code, fieldErrors } = await errorOf(tasks.create(given));
    assert.deepEqual([status, code, fieldErrors], [422, "validation_failed", { title: text }]);
  }
  const both = [
    { op: "create", title: "x" },
    { op: "create", title: "" },
  ];
  const { fieldErrors } = await errorOf(tasks.batch(both));
  assert.deepEqual(fieldErrors, { "operations.1.create.title": text });
  const missing = await errorOf(tasks.get(4711));
  assert.deepEqual(
    [missing.code, missing.current, missing.retryAfter],
    ["task_not_found", null, null],
  );
  assert.equal(missing.message, missing.detail);
});

test("an error has the id by which the service's log knows the request", async () => {
  let sent;
  const listening = async (...request) => {
    const response = await fetch(...request);
    sent = response.headers.get("X-Request-ID");
    return response;
  };
  const { requestId } = await errorOf(clientOf({ fetch: listening }).get(4711));
  assert.ok(sent);
  assert.equal(requestId, sent);
});

test("a batch is all or nothing, or each operation by itself", async () => {
  const tasks = clientOf();
  const task = await tasks.create({ title: "Buy milk" });
  await tasks.update(task, { title: "Buy oat milk" });
  const version = `"${task.updated_at}"`;
  const operations = [
    { op: "create", key: "c-1", title: "Buy tea" },
    { op: "delete", id: task.id, version },
  ];
  const refused = await errorOf(tasks.batch(operations));
  assert.deepEqual([refused.code, refused.current.title], ["version_mismatch", "Buy oat milk"]);
  assert.equal((await tasks.list().page()).total, 1);
  const [made, kept] = await tasks.batch(operations, { atomic: false });
  assert.deepEqual([made.status, kept.status, kept.current.title], [201, 412, "Buy oat milk"]);
});

test("the same batch with its key is done once", async () => {
  const tasks = clientOf();
  const operations = [{ op: "create", title: "Buy milk" }];
  const twice = [1, 2].map(() => tasks.batch(operations, { idempotencyKey: "b-1" }));
  const [[first], [second]] = await Promise.all(twice);
  assert.equal(first.task.id, second.task.id);
  assert.equal((await tasks.list().page()).total, 1);
});

test("changes are read page by page, and waited for", async () => {
  const tasks = clientOf();
  const [milk, tea] = [await tasks.create({ title: "m" }), await tasks.create({ title: "t" })];
  const first = await tasks.changes({ limit: 1 });
  assert.deepEqual([first.changes[0].task, first.has_more], [milk, true]);
  const second = await tasks.changes({ since: first.next });
  assert.deepEqual([second.changes[0].task, second.has_more], [tea, false]);
  const waiting = tasks.changes({ since: second.next, wait: 30 });
  await tasks.remove(tea);
  assert.deepEqual(
    (await waiting).changes.map(({ id, task }) => [id, task]),
    [[tea.id, null]],
  );
});

test("a signal ends a call at once, with its own reason", async () => {
  const tasks = clientOf();
  const { next } = await tasks.changes();
  const leave = new AbortController();
  const waiting = tasks.changes({ since: next, wait: 30 }, { signal: leave.signal });
  setTimeout(() => leave.abort("enough"), 50);
  assert.equal(await waiting.catch((reason) => reason), "enough");
  const { signal } = leave;
  const calls = [tasks.create({ title: "x" }, { signal }), tasks.user({ signal })];
  for (const { reason } of await Promise.allSettled(calls)) assert.equal(reason, "enough");
  assert.equal((await tasks.list().page()).total, 0);
});

test("a mistake of the program is thrown as it is", async () => {
  const { tasks, requests } = counting();
  const cyclic = { title: "x" };
  cyclic.self = cyclic;
  assert.ok((await errorOf(tasks.create(cyclic))) instanceof TypeError);
  const batch = tasks.batch([], { idempotencyKey: "two\nlines" });
  assert.ok((await errorOf(batch)) instanceof TypeError);
  assert.equal(requests.length, 0);
});

test("the URL may end with a slash, and be the page's own origin", async () => {
  const urls = [];
  const listening = async (url) => {
    urls.push(url);
    throw new TypeError("not sent");
  };
  const settings = { auth: authOf(tokenFor("1")), fetch: listening, maxRetries: 0 };
  for (const url of ["", "/", "https://api.example.com/tasks/"]) {
    const list = createTasks({ url, ...settings }).list();
    assert.equal((await errorOf(list.page())).code, "network");
  }
  const path = "/api/1/tasks?limit=100";
  assert.deepEqual(urls, [path, path, `https://api.example.com/tasks${path}`]);
  assert.equal(
    (
      await clientOf({ url: `${service}/` })
        .list()
        .page()
    ).total,
    0,
  );
});

// Lists of TanStack Query, against the running service.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InfiniteQueryObserver, MutationObserver, QueryClient } from "@tanstack/query-core";
import { keepInStep, taskMutations, tasksQuery } from "../dist/react-query.js";
import { holding } from "./support/devices.mjs";
import { clientOf, errorOf, eventually, newUser, service } from "./support/people.mjs";
import { startProxy } from "./support/proxy.mjs";

/** A page that shows a list, and another device of the same user. */
async function shown(t, query) {
  const user = newUser();
  const proxy = await startProxy(service, t);
  const other = clientOf({ user });
  for (const title of ["a", "b", "c"]) await other.create({ title });
  const tasks = clientOf({ user, url: proxy.url, maxRetries: 0 });
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const list = new InfiniteQueryObserver(client, tasksQuery(tasks, query));
  t.after(list.subscribe(() => {}));
  t.after(() => client.clear());
  const rows = () => list.getCurrentResult().data?.pages.flatMap((page) => page.tasks) ?? [];
  const titles = () => rows().map(({ title }) => title);
  await eventually(() => titles().length > 0);
  const mutate = (name, variables) =>
    new MutationObserver(client, taskMutations(tasks, client)[name]).mutate(variables);
  return { proxy, other, tasks, client, list, rows, titles, mutate };
}

describe("TanStack Query", { concurrency: true }, () => {
  test("reads the next page when it is wanted", async (t) => {
    const { list, titles } = await shown(t, { sort: "title", limit: 2 });
    assert.deepEqual(titles(), ["a", "b"]);
    await list.fetchNextPage();
    assert.deepEqual([titles(), list.getCurrentResult().hasNextPage], [["a", "b", "c"], false]);
  });

  test("shows an edit and a removal at once", async (t) => {
    const { proxy, rows, titles, mutate, other } = await shown(t, { sort: "title" });
    const [a, b] = rows();
    const [edit, removal] = [holding("request"), holding("request")];
    proxy.faults = [edit, removal];
    const edited = mutate("update", { task: a, changes: { title: "z" } });
    await edit.arrived;
    const removed = mutate("remove", { task: b });
    await removal.arrived;
    assert.deepEqual(titles(), ["z", "c"]);
    edit.release();
    removal.release();
    await Promise.all([edited, removed]);
    await eventually(() => titles().join() === "c,z");
    await mutate("create", { fields: { title: "d" } });
    await eventually(() => titles().join() === "c,d,z");
    assert.equal((await other.list().page()).total, 3);
  });

  test("takes back what the service refuses", async (t) => {
    const { rows, titles, mutate, other, list } = await shown(t, { sort: "title" });
    const [a] = rows();
    await other.update(a.id, { title: "aa" });
    const seen = [];
    t.after(list.subscribe(() => seen.push(titles().join())));
    const error = await errorOf(mutate("update", { task: a, changes: { title: "z" } }));
    assert.equal(error.theirs.title, "aa");
    await eventually(() => titles().join() === "aa,b,c");
    const edited = seen.indexOf("z,b,c");
    assert.ok(edited >= 0 && seen.indexOf("a,b,c", edited) > edited, String(seen));
  });

  test("shows what others do", async (t) => {
    const { client, tasks, titles, rows, other } = await shown(t, { sort: "title" });
    const statuses = [];
    const { close } = keepInStep(tasks, client, { onStatus: (status) => statuses.push(status) });
    t.after(close);
    await eventually(() => statuses.at(-1) === "open");
    const [a, b] = rows();
    await other.update(a, { title: "aa" });
    await other.remove(b);
    await other.create({ title: "d" });
    await eventually(() => titles().join() === "aa,c,d");
  });
});

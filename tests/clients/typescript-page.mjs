// A page that uses the TypeScript client as a browser loads it: without a bundler.
import { Conflict, createTasks } from "/dist/index.js";

let tasks;
let copy;

/** What a person does, and what the page can read of it across origins. */
export async function use(url, token) {
  tasks = createTasks({ url, auth: { token: async () => token }, fetch: globalThis.fetch });
  const milk = await tasks.create({ title: "Buy milk", description: "Zoë 🦊" });
  const oat = await tasks.update(milk, { title: "Buy oat milk" });
  const conflict = await errorOf(tasks.update(milk, { title: "Buy soy milk" }));
  const refusal = await errorOf(tasks.create({ title: "" }));
  return {
    listed: JSON.stringify((await tasks.list({ q: "🦊" }).page()).tasks) === JSON.stringify([oat]),
    conflict: conflict instanceof Conflict && conflict.theirs.title,
    refusal: [refusal.code, Object.keys(refusal.fieldErrors), refusal.requestId.length],
    // This page's own server redirects from a folder's name to the folder.
    redirect: (await errorOf(at("/", token).list().page())).code,
    away: (await errorOf(at("http://127.0.0.1:1", token).list().page())).code,
  };
}

const at = (url, token) => createTasks({ url, auth: { token: async () => token }, maxRetries: 0 });

const errorOf = (promise) => promise.then(() => null, (error) => error);

/** Begins to follow the changes. */
export async function follow() {
  copy = { titles: new Map(), told: [] };
  copy.subscription = tasks.subscribe({
    onChanges(changes) {
      for (const { id, task } of changes) {
        if (task) copy.titles.set(id, task.title);
        else copy.titles.delete(id);
      }
    },
    onResync: () => copy.titles.clear(),
    onStatus: (status) => copy.told.push(status),
  });
}

/** What the copy has, and how it stands. */
export const look = async () => ({ titles: [...copy.titles.values()], told: copy.told });

/** Follows no more. */
export async function leave() {
  copy.subscription.close();
  await copy.subscription.done;
  return copy.told.at(-1);
}

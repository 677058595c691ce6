// A tab of a front end, which tests/clients/test_tabs.py drives. What it does is in `page`.
import { createTasks } from "/client/index.js";
import { createQueue } from "/client/queue.js";

const { url, user, token } = Object.fromEntries(new URLSearchParams(location.search));
const requests = [];
const tasks = createTasks({
  url,
  auth: { token: async () => token },
  maxRetries: 0,
  fetch(address, options) {
    requests.push(new URL(address).pathname.split("/").at(-1));
    return fetch(address, options);
  },
});

const told = { settled: [], conflicts: [], refused: [] };
const queue = createQueue(tasks, {
  user,
  onSettled: ({ task }) => told.settled.push(task?.title),
  onConflict: ({ theirs, mine }) => told.conflicts.push([mine.title, theirs.title]),
  onRefused: ({ operation, error }) => told.refused.push([operation.title, error.code]),
});

const copy = new Map();
const statuses = [];
let subscription;

window.page = {
  create: (...titles) => Promise.all(titles.map((title) => queue.create({ title }))),
  attempt: (title) => queue.create({ title }).then(() => null, ({ code, detail }) => [code, detail]),
  update: (task, changes) => queue.update(task, changes),
  state: () => ({
    pending: queue.pending,
    error: queue.error?.code ?? null,
    shown: queue.overlay([]).map(({ title }) => title).sort(),
    ...told,
    copy: [...copy.values()].sort(),
    statuses,
    streams: requests.filter((name) => name === "events").length,
  }),
  /** Closes the queue while a dialog is open, and opens it again: then it asks again. */
  async askTwice(task, changes) {
    queue.close();
    const ask = () => {
      let opened;
      const asked = new Promise((resolve) => {
        const onConflict = ({ mine }) => {
          resolve(mine.title);
          return new Promise(() => {}); // nobody answers
        };
        opened = createQueue(tasks, { user, onConflict, onRefused: resolve });
      });
      return { asked, queue: opened };
    };
    const first = ask();
    await first.queue.update(task, changes);
    await first.asked;
    first.queue.close();
    return ask().asked;
  },
  subscribe() {
    subscription = tasks.subscribe({
      onChanges(changes) {
        for (const { id, task } of changes) task ? copy.set(id, task.title) : copy.delete(id);
      },
      onResync: () => copy.clear(),
      onStatus: (status) => statuses.push(status),
    });
  },
  /** Whether a call gets through, which it does not where other pages have all connections. */
  total: async () => (await tasks.list().page()).total,
  /** As a later version of the package does, and then an older one's tab. */
  async upgrade() {
    const name = (await indexedDB.databases()).find((each) => each.name.endsWith(user)).name;
    const request = indexedDB.open(name, 2);
    await new Promise((done, fail) => Object.assign(request, { onsuccess: done, onerror: fail }));
    request.result.close();
  },
};

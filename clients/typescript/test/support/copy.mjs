// A copy of somebody's tasks, kept by a subscription.
import { eventually } from "./people.mjs";

/** Subscribes. The copy is an application that keeps what it is told. */
export function copyOf(tasks, options = {}) {
  const copy = { tasks: new Map(), since: options.since ?? null, told: [], errors: [], resyncs: 0 };
  const { done, close } = tasks.subscribe({
    onChanges(changes, next) {
      for (const { id, task } of changes) {
        if (task) copy.tasks.set(id, task);
        else copy.tasks.delete(id);
      }
      copy.since = next;
    },
    onResync() {
      copy.resyncs += 1;
      copy.tasks.clear();
    },
    onStatus: (status) => copy.told.push(status),
    onError: (error) => copy.errors.push(error),
    ...options,
  });
  return Object.assign(copy, { done, close });
}

/** The tasks in an order of their own. */
const sorted = (tasks) => [...tasks].sort((one, other) => one.id - other.id);

/** Whether the copy has what the service has. */
export async function isInStep(copy, tasks) {
  const all = [];
  for await (const page of tasks.list({ limit: 1000 }).pages()) all.push(...page.tasks);
  return JSON.stringify(sorted(copy.tasks.values())) === JSON.stringify(sorted(all));
}

/** Returns when it has, and is open. */
export const inStep = (copy, tasks) =>
  eventually(async () => copy.told.at(-1) === "open" && (await isInStep(copy, tasks)));

/**
 * Batches: what is sent next, and what its response means. All of it is pure, like entries.ts.
 *
 * A batch has at most one operation of each task, because the version that the next one needs is in
 * the result of the first. If a response was lost, the batch is sent again, and the result shows the
 * task as it is by then. So the texts decide whether the next operation knows what it changes: its
 * `base` is the task as the person saw it, with their earlier operations. If the service has the same
 * texts, its version is sent. If not, somebody else has changed the task, and it is a conflict.
 */

import {
  type Entries,
  type Entry,
  editsOf,
  isLive,
  isSame,
  ofTask,
  versionOf,
  waits,
} from "./entries.js";
import type { ErrorParts } from "./errors.js";
import type { Result, Task } from "./types.js";

/** The service takes 1 MiB. */
const MAX_BATCH_BYTES = 1_000_000;

/** So long what has taken effect is kept, in milliseconds, until all tabs have seen it. */
const KEPT = 5_000;

/** Makes a batch of the next operations, unless there is one that was not answered. */
export function sealed(stored: Entries, batch: string, limit: number, now: number): Entries {
  const entries = stored.filter((entry) => !entry.done || waits(entry, now) > 0);
  if (entries.some((entry) => entry.batch)) return stored;
  const names = new Set<string>();
  let [count, bytes] = [0, 0];
  const after = entries.map((entry) => {
    if (!isLive(entry) || names.has(entry.name)) return entry;
    names.add(entry.name);
    if (waits(entry, now) > 0 || count === limit) return entry;
    bytes += new TextEncoder().encode(JSON.stringify(entry.operation)).length;
    if (count > 0 && bytes > MAX_BATCH_BYTES) return entry;
    count += 1;
    return { ...entry, batch };
  });
  return count > 0 || entries.length < stored.length ? after : stored;
}

/** Makes single operations of a batch again, none of which was done. */
export function unsealed(entries: Entries, batch: string): Entries {
  return entries.map((entry) => (entry.batch === batch ? { ...entry, batch: undefined } : entry));
}

/** What became of an operation; an error of a whole request that had no other one is one, too. */
type Outcome = Partial<Result> | ErrorParts;

/** Takes the results of a batch, in the order of its operations. */
export function answered(
  entries: Entries,
  batch: string,
  results: readonly Outcome[],
  now: number,
): Entries {
  const sent = entries.filter((entry) => entry.batch === batch);
  return sent.reduce((all, entry, index) => {
    const { task, ...outcome } = results[index] as Result;
    const { status } = outcome;
    const isGone = status === 404 && entry.operation.op === "delete";
    if (status < 400 || status === 410 || isGone) {
      const following = task ? all.map((each) => after(each, entry.name, task)) : all;
      return following.map((each) => (each.id === entry.id ? done(entry, task, now) : each));
    }
    return failed(all, entry, outcome as ErrorParts, now);
  }, entries);
}

const done = ({ id, name, operation }: Entry, task: Task | null, now: number): Entry => ({
  id,
  name,
  operation,
  done: { operation, task },
  after: Math.abs(now - id) + KEPT,
});

/** A later operation on a task that has an id and a new version now. */
function after(entry: Entry, name: string, task: Task): Entry {
  if (entry.name !== name || !isLive(entry)) return entry;
  const { key: _, ...others } = entry.operation;
  const isSeen = others.version !== undefined && isSame(entry.base as Task, task);
  const version = isSeen ? { version: versionOf(task) } : {};
  return { ...entry, name: `#${task.id}`, operation: { ...others, id: task.id, ...version } };
}

/**
 * Takes the failure of an operation that was sent. Later ones on its task are reported with it if
 * they are of no use without it, or in the same conflict.
 */
function failed(entries: Entries, sent: Entry, failure: ErrorParts, now: number): Entries {
  const { batch: _, ...entry } = sent;
  const { status, current } = failure;
  let { operation } = entry;
  let gone: Entries = [];
  const replaced = (other: Entry) =>
    entries
      .filter((each) => !gone.includes(each))
      .map((each) => (each.id === entry.id ? other : each));
  if (current && entry.base && isSame(editsOf(entry.base), current)) {
    // The person has seen just this: an own operation has made the version.
    return replaced({ ...entry, operation: { ...operation, version: versionOf(current) } });
  }
  if (operation.op === "create" || status === 404 || status === 412) {
    gone = ofTask(entries, entry.name).filter(({ id }) => id !== entry.id);
  }
  const removal = gone.find((each) => each.operation.op === "delete");
  operation = Object.assign({}, operation, ...gone.map((each) => editsOf(each.operation)));
  operation = removal?.operation ?? operation;
  const edits = editsOf(operation);
  const isDone =
    operation.op === "update" &&
    current &&
    // Both did the same; or the person has taken back what they did, and wants nothing of theirs.
    (isSame(edits, current) || (entry.base && isSame(edits, entry.base)));
  return isDone || (removal && status !== 412)
    ? replaced(done({ ...entry, operation }, isDone ? current : null, now))
    : replaced({ ...entry, operation, failure });
}

/**
 * Batches: what is sent next, and what its answer means. All of it is pure, like entries.ts.
 *
 * A batch has at most one operation of each task, because the version that the next one needs is in
 * the result of the first. An answer that was lost is asked for again, and then shows the task as it
 * is by then. So the texts decide whether the next operation knows what it changes: its `base` is the
 * task as the person saw it, with their earlier operations. If the service has the same, its version
 * will do. If not, somebody else has changed the task, and the operation is a conflict.
 */

import {
  type Entries,
  type Entry,
  editsOf,
  isLive,
  isSame,
  ofTask,
  type Queued,
  type Settled,
  versionOf,
  waits,
} from "./entries.js";
import type { ErrorParts } from "./errors.js";
import type { Result, Task } from "./types.js";

type Tell = (settled: Settled) => void;

/** The service takes 1 MiB. */
const MOST_BYTES = 1_000_000;

/** Makes a batch of the next operations, unless there is one that was not answered. */
export function sealed(entries: Entries, batch: string, limit: number, now: number): Entries {
  if (entries.some((entry) => entry.batch)) return entries;
  const names = new Set<string>();
  let [count, bytes] = [0, 0];
  const after = entries.map((entry) => {
    if (!isLive(entry) || names.has(entry.name)) return entry;
    names.add(entry.name);
    if (waits(entry, now) > 0 || count === limit) return entry;
    bytes += new TextEncoder().encode(JSON.stringify(entry.operation)).length;
    if (count > 0 && bytes > MOST_BYTES) return entry;
    count += 1;
    return { ...entry, batch };
  });
  return count > 0 ? after : entries;
}

/** Makes single operations of a batch again, none of which was done. */
export function unsealed(entries: Entries, batch: string): Entries {
  return entries.map((entry) => (entry.batch === batch ? { ...entry, batch: undefined } : entry));
}

/** Takes the results of a batch, in the order of its operations; tells what has taken effect. */
export function answered(
  entries: Entries,
  batch: string,
  results: readonly Result[],
  tell: Tell,
): Entries {
  const sent = entries.filter((entry) => entry.batch === batch);
  return sent.reduce((rest, entry, index) => {
    const { status, task, code, detail, current } = results[index] as Result;
    const isGone = status === 404 && entry.operation.op === "delete";
    if (status >= 400 && status !== 410 && !isGone) {
      const error = { status, code: code as ErrorParts["code"], detail: detail ?? "" };
      return failed(rest, entry, { ...error, current: current ?? null }, tell);
    }
    tell({ operation: entry.operation, task });
    const others = rest.filter(({ id }) => id !== entry.id);
    return task ? others.map((other) => following(other, entry.name, task)) : others;
  }, entries);
}

/** A later operation on a task that has an id and a new version now. */
function following(entry: Entry, name: string, task: Task): Entry {
  if (entry.name !== name || !isLive(entry)) return entry;
  const { key: _, ...others } = entry.operation;
  const isSeen = others.version !== undefined && isSame(entry.base as Task, task);
  const version = isSeen ? { version: versionOf(task) } : {};
  return { ...entry, name: `#${task.id}`, operation: { ...others, id: task.id, ...version } };
}

/** Takes the refusal of a batch of one operation. */
export function refused(
  entries: Entries,
  batch: string,
  { status, code, detail, fieldErrors, requestId }: ErrorParts,
  tell: Tell,
): Entries {
  const entry = entries.find((each) => each.batch === batch);
  // What is stored is data; an error has methods.
  const failure = { status, code, detail, fieldErrors, requestId } as ErrorParts;
  return entry ? failed(entries, entry, failure, tell) : entries;
}

/**
 * Takes the failure of an operation that was sent. Later ones on its task are reported with it if
 * they are of no use without it, or in the same conflict.
 */
function failed(entries: Entries, sent: Entry, failure: ErrorParts, tell: Tell): Entries {
  const { batch: _, ...entry } = sent;
  const { status, current } = failure;
  const replaced = (...others: Entry[]) =>
    entries.flatMap((each) => (each.id === entry.id ? others : gone.includes(each) ? [] : [each]));
  let gone: Entries = [];
  if (current && entry.base && isSame(editsOf(entry.base), current)) {
    // The person has seen just this: an own operation has made the version.
    return replaced({ ...entry, operation: { ...entry.operation, version: versionOf(current) } });
  }
  if (entry.operation.op === "create" || status === 404 || status === 412) {
    gone = ofTask(entries, entry.name).filter(({ id }) => id !== entry.id);
  }
  const removal = gone.find(({ operation }) => operation.op === "delete");
  const edits = [entry, ...gone].map((each) => editsOf(each.operation));
  const operation: Queued = removal?.operation ?? Object.assign({}, entry.operation, ...edits);
  const isDone = operation.op === "update" && current && isSame(editsOf(operation), current);
  if (!isDone && (!removal || status === 412)) return replaced({ ...entry, operation, failure });
  tell({ operation, task: isDone ? current : null });
  return replaced();
}

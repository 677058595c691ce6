/**
 * What a queue holds, and what is added to it. All of it is pure, because each change is one
 * transaction of the storage, which all tabs share.
 */

import { type ErrorParts, TasksError } from "./errors.js";
import { FIELDS } from "./fields.js";
import type { Changes, Fields, NewTask, Task } from "./types.js";

/** An operation, exactly as it is sent. */
export interface Queued extends Partial<Fields> {
  readonly op: "create" | "update" | "delete";
  readonly id?: number;
  readonly key?: string;
  readonly version?: string;
}

/** What is stored of an operation. */
export interface Entry {
  /** When it was added, in milliseconds since 1970; a little later where that one is taken. */
  readonly id: number;
  /** Of its task: the key that it is created with, or `#` and its id. */
  readonly name: string;
  readonly operation: Queued;
  /** The task as the person saw it, where one was given. */
  readonly base?: Known | undefined;
  /** It is not sent before it has waited so long, in milliseconds. */
  readonly after?: number | undefined;
  /** The `Idempotency-Key` of the batch that it is sent in. */
  readonly batch?: string | undefined;
  /** Why it was not done. It stays until that was reported. */
  readonly failure?: ErrorParts;
  /** What it has come to. It stays until all tabs have seen that. */
  readonly done?: Settled;
}

export type Entries = readonly Entry[];

/** A task, perhaps with the key that it was created with. */
export type Known = Task & { readonly key?: string | null };

/** A task as it will be; `waiting` if that is not how the service has it. */
export type Shown = Task & { readonly key?: string | null; readonly waiting?: true };

/** A task as it was read, which has a version; or its id or its key, which have none. */
export type Named = Known | number | string;

/** An operation that has taken effect, and its task as it is now: null if that is deleted. */
export interface Settled {
  readonly operation: Queued;
  readonly task: Task | null;
}

/** The version of a task that is not known to exist: it matches none, so the 412 has the task. */
const NO_VERSION = '""';

/** What the service trims of a title. JavaScript's `trim` leaves U+0085, and takes U+FEFF. */
const ENDS = /^\p{White_Space}+|\p{White_Space}+$/gu;

/** What an operation gives a task, as the service stores it, so that results can be compared. */
export function editsOf(from: Changes): Partial<Fields> {
  const given = FIELDS.filter((name) => from[name] !== undefined);
  const stored = (name: keyof Fields) =>
    name === "title" ? from.title?.replace(ENDS, "") : (from[name] ?? "");
  return Object.fromEntries(given.map((name) => [name, stored(name)]));
}

/** Whether a task has all of these values. */
export const isSame = (some: Partial<Fields>, task: Task) =>
  FIELDS.every((name) => some[name] === undefined || some[name] === task[name]);

export const versionOf = (task: Task) => `"${task.updated_at}"`;

export const isLive = (entry: Entry) => !entry.failure && !entry.done;

/** Those of one task, in their order. */
export const ofTask = (entries: Entries, name: string) =>
  entries.filter((entry) => entry.name === name && isLive(entry));

function nameOf(task: Named, entries: Entries): string {
  if (typeof task === "string") return task;
  if (typeof task === "number") return `#${task}`;
  const { id, key } = task;
  return key && (id < 0 || ofTask(entries, key).length > 0) ? key : `#${id}`;
}

const identified = (name: string) =>
  name.startsWith("#") ? { id: Number(name.slice(1)) } : { key: name };

const nextId = (entries: Entries, now: number) => Math.max(now, (entries.at(-1)?.id ?? 0) + 1);

/** Adds the creation of a task. */
export function withCreation(
  entries: Entries,
  key: string,
  task: NewTask,
  user: string,
  now: number,
): Entries {
  const id = nextId(entries, now);
  const fields = editsOf({ description: "", is_completed: false, ...task }) as Fields;
  const time = new Date(id).toISOString();
  const base = { id: -id, key, ...fields, created_at: time, updated_at: time, user_id: user };
  return [...entries, { id, name: key, operation: { op: "create", key, ...fields }, base }];
}

/** Adds an edit, to that one of the same task that waits to be sent, if there is one. */
export function withEdit(entries: Entries, task: Named, changes: Changes, now: number): Entries {
  const last = ofTask(entries, nameOf(task, entries)).at(-1);
  const edits = editsOf(changes);
  if (last?.operation.op === "delete") throw removed();
  if (!last || last.batch) return withOperation(entries, task, { op: "update", ...edits }, now);
  const merged = { ...last, operation: { ...last.operation, ...edits } };
  return entries.map((entry) => (entry === last ? merged : entry));
}

/** Adds a removal, unless there is one. */
export function withRemoval(entries: Entries, task: Named, now: number, after?: number): Entries {
  if (removalOf(entries, task)) return entries;
  return withOperation(entries, task, { op: "delete" }, now, after);
}

/** The one that waits or is on its way. */
export function removalOf(entries: Entries, task: Named): Entry | undefined {
  return ofTask(entries, nameOf(task, entries)).find(({ operation }) => operation.op === "delete");
}

function withOperation(
  entries: Entries,
  task: Named,
  operation: Queued,
  now: number,
  after?: number,
): Entries {
  const name = nameOf(task, entries);
  const earlier = ofTask(entries, name);
  const isRead = typeof task === "object";
  const seen = isRead ? task : typeof task === "string" ? earlier[0]?.base : undefined;
  const base = seen && Object.assign({}, seen, ...earlier.map((each) => editsOf(each.operation)));
  const given = isRead && task.id > 0 ? versionOf(task) : base && NO_VERSION;
  const sent = { ...operation, ...identified(name), ...(given && { version: given }) };
  return [...entries, { id: nextId(entries, now), name, operation: sent, base, after }];
}

function removed(): TasksError {
  const detail = "The task is being removed.";
  return new TasksError({ status: 404, code: "task_not_found", detail });
}

/** Milliseconds until it may be sent; a clock that was set back does not make it wait longer. */
export const waits = ({ id, after = 0 }: Entry, now: number) => after - Math.abs(now - id);

/** What a list looks like when all of it will have been done; new tasks come first. */
export function overlaid(entries: Entries, tasks: readonly Known[]): Shown[] {
  const rows = new Map<string, Shown>(tasks.map((task) => [nameOf(task, entries), task]));
  const drafts = new Map<string, Shown>();
  for (const { name, operation, base } of entries.filter(isLive)) {
    const all = rows.has(name) ? rows : drafts;
    const row = all.get(name) ?? (operation.op === "create" ? base : undefined);
    if (row === undefined || (operation.op === "create" && all === rows)) continue;
    if (operation.op === "delete") all.delete(name);
    else all.set(name, { ...row, ...editsOf(operation), waiting: true });
  }
  return [...[...drafts.values()].reverse(), ...rows.values()];
}

/** Tasks as local-first libraries hold them, and how they are sent and fetched. */

import { type ErrorParts, TasksError } from "./errors.js";
import { FIELDS } from "./fields.js";
import { passes } from "./retry.js";
import type { Tasks } from "./tasks.js";
import type { Change, Fields, Operation, Result, Task } from "./types.js";
import { jittered, pause } from "./wait.js";

/**
 * A task on a device. Its name is the key that a device made for it, or `#` and the id of a task
 * that was created without a key, so it never changes.
 */
export interface Row extends Fields {
  readonly name: string;
  /** The version that it has come from; none before it was sent. */
  readonly updated_at?: string;
}

/** What belongs to one user's tasks. */
export interface ReplicaSettings {
  readonly tasks: Tasks;
  /** Whose tasks these are. With a token of another user nothing is sent. */
  readonly user: string;
}

/** So many of the longest tasks fit into the 1 MiB of a batch. */
const OPERATIONS = 30;

/** Those of an object's members that clients may write. */
export const fieldsOf = (from: Partial<Fields>): Partial<Fields> =>
  Object.fromEntries(FIELDS.filter((name) => name in from).map((name) => [name, from[name]]));

/** How an operation names a task. */
export const named = (name: string) =>
  name.startsWith("#") ? { id: Number(name.slice(1)) } : { key: name };

export const nameOf = ({ id, key }: Pick<Change, "id" | "key">) => key ?? `#${id}`;

export function rowOf(name: string, task: Task): Row {
  const { title, description, is_completed, updated_at } = task;
  return { name, title, description, is_completed, updated_at };
}

/** Sends operations, each of which is done by itself; gives their results. */
export async function push(
  { tasks, user }: ReplicaSettings,
  operations: readonly Operation[],
): Promise<Result[]> {
  const results: Result[] = [];
  while (results.length < operations.length) {
    const next = operations.slice(results.length, results.length + OPERATIONS);
    results.push(...(await tasks.batch(next, { atomic: false, user })));
  }
  return results;
}

/** An operation that was not done, as an error. */
export const errorOf = ({ status, code, detail }: Result) =>
  new TasksError({ status, code, detail } as ErrorParts);

/** Does some work again until network and service are there. */
export async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TasksError && passes(error))) throw error;
      await pause(jittered(2000));
    }
  }
}

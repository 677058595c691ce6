/** Writes that are stored first and sent when that is possible. An entry point of its own. */

import {
  isLive,
  type Known,
  type Named,
  overlaid,
  removalOf,
  type Settled,
  type Shown,
  withCreation,
  withEdit,
  withRemoval,
} from "./entries.js";
import type { TasksError } from "./errors.js";
import { type Handlers, reportFailures } from "./reports.js";
import { sender } from "./sending.js";
import { type Change, openState, type QueueState } from "./state.js";
import { indexedDbStorage, type OpenStorage } from "./storage.js";
import { randomKey, type Tasks } from "./tasks.js";
import type { Changes, NewTask } from "./types.js";

export type { Known, Named, Queued, Settled, Shown } from "./entries.js";
export type { Refused } from "./reports.js";
export { memoryStorage, type OpenStorage, type QueueStorage } from "./storage.js";

export interface QueueSettings extends Handlers {
  /** Whose operations these are. With a token of another user they are not sent. */
  readonly user: string;
  /** An operation has taken effect. Called in every tab, before `overlay` forgets the operation. */
  readonly onSettled?: ((settled: Settled) => void) | undefined;
  /** The beginning of the names of databases, locks and channels; `taskapi` if left out. */
  readonly name?: string | undefined;
  /** Another storage than IndexedDB. */
  readonly storage?: OpenStorage | undefined;
}

/** Opens the queue of a user, and sends what is in it. */
export function createQueue(tasks: Tasks, settings: QueueSettings): Queue {
  return new Queue(tasks, settings);
}

export class Queue {
  readonly #user: string;
  readonly #state: QueueState;
  readonly #flush: () => Promise<void>;

  constructor(tasks: Tasks, settings: QueueSettings) {
    const { user, onSettled, name = "taskapi", storage = indexedDbStorage } = settings;
    const full = `${name}:${tasks.url}:${user}`;
    this.#user = user;
    this.#state = openState(full, storage(full), onSettled, () => {
      if (this.pending > 0) void this.flush(); // which waits for the other tab, or for its end
    });
    this.#flush = sender(tasks, user, this.#state);
    reportFailures(this.#state, settings, (operation, theirs, values) =>
      operation.op === "delete" ? this.remove(theirs) : this.update(theirs, values),
    );
    const { signal } = this.#state;
    const flush = () => void this.flush();
    for (const event of ["online", "focus"]) {
      globalThis.addEventListener?.(event, flush, { signal });
    }
    flush();
  }

  /** How many operations wait or are on their way. */
  get pending(): number {
    return this.#state.waiting.length;
  }

  /** Why the last attempt has sent nothing: offline, signed out, no storage. Null if it did. */
  get error(): TasksError | null {
    return this.#state.error;
  }

  /**
   * Creates a task. Like each of these, it resolves when the operation is stored durably.
   *
   * @returns the key, by which later operations may name it.
   * @throws TasksError `storage`; then nothing was stored.
   */
  async create(task: NewTask): Promise<string> {
    const key = randomKey();
    await this.#add((entries) => withCreation(entries, key, task, this.#user, Date.now()));
    return key;
  }

  /** @throws TasksError `task_not_found` if its removal waits. */
  async update(task: Named, changes: Changes): Promise<void> {
    await this.#add((entries) => withEdit(entries, task, changes, Date.now()));
  }

  complete(task: Named, isCompleted = true): Promise<void> {
    return this.update(task, { is_completed: isCompleted });
  }

  /**
   * Removes a task.
   *
   * @param options - `after`: it is sent when it has waited so long, in milliseconds.
   * @returns what `cancel` takes.
   */
  async remove(task: Named, { after }: { readonly after?: number } = {}): Promise<number> {
    const entries = await this.#add((all) => withRemoval(all, task, Date.now(), after));
    return removalOf(entries, task)?.id as number;
  }

  /** Takes a removal back. False if it was sent already. */
  async cancel(removal: number): Promise<boolean> {
    let isThere = false;
    await this.#state.change((entries) => {
      isThere = entries.some((entry) => entry.id === removal && isLive(entry) && !entry.batch);
      return isThere ? entries.filter(({ id }) => id !== removal) : entries;
    });
    return isThere;
  }

  /** What a list looks like with all that waits. */
  overlay(tasks: readonly Known[]): Shown[] {
    return overlaid(this.#state.entries, tasks);
  }

  /** Calls a listener when `overlay`, `pending` or `error` may be others; gives what ends that. */
  subscribe(listener: () => void): () => void {
    this.#state.listeners.add(listener);
    return () => void this.#state.listeners.delete(listener);
  }

  /** Sends what waits; resolves when that is done, or is not possible now. */
  flush(): Promise<void> {
    return this.#flush();
  }

  /** Stops. What waits stays stored. */
  close(): void {
    this.#state.close();
  }

  async #add(change: Change) {
    this.#state.signal.throwIfAborted();
    const entries = await this.#state.change(change);
    if (!this.error?.retryAfter) void this.flush();
    return entries;
  }
}

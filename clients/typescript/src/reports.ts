/** Tells an application what was not done. */

import { Conflict } from "./conflict.js";
import { type Entries, type Entry, editsOf, type Queued } from "./entries.js";
import { type ErrorParts, TasksError } from "./errors.js";
import type { QueueState } from "./state.js";
import { inTurn, visible } from "./tabs.js";
import type { Changes, Task } from "./types.js";
import { unlessAborted } from "./wait.js";

/** An operation that was not done, and why. */
export interface Refused {
  readonly operation: Queued;
  readonly error: TasksError;
}

export interface Handlers {
  /**
   * Somebody else has changed a task meanwhile. The operation stays stored until the promise
   * resolves; if the page is closed before, it is reported again. `overwrite` queues.
   */
  readonly onConflict?: ((conflict: Conflict) => unknown) | undefined;
  /** The service has refused an operation for good. Likewise; conflicts too without `onConflict`. */
  readonly onRefused: (refused: Refused) => unknown;
}

/** Queues over what the person has seen. */
export type Save = (operation: Queued, theirs: Task, values: Changes) => Promise<unknown>;

/** Reports all there is, whenever there is something, one by one, in one tab that a person sees. */
export function reportFailures(state: QueueState, handlers: Handlers, queue: Save): void {
  const { name, signal } = state;
  const report = inTurn(`${name}:report`, reportAll, signal);
  const failure = (entries: Entries) => entries.find((entry) => entry.failure);
  state.listeners.add(async () => {
    if (!failure(state.entries)) return;
    await visible(signal);
    if (failure(state.entries)) await report();
  });

  async function reportAll(): Promise<void> {
    for (let entry: Entry | undefined; ; ) {
      entry = failure(await state.read());
      if (entry === undefined || signal.aborted) return;
      const { id } = entry;
      // A queue that is closed gives the lock to the next one, whatever its dialog waits for.
      await unlessAborted(signal, Promise.resolve(tell(entry, entry.failure as ErrorParts)));
      await state.change((entries) => entries.filter((each) => each.id !== id));
    }
  }

  function tell({ operation, base }: Entry, failure: ErrorParts): unknown {
    const { onConflict, onRefused } = handlers;
    const error = new TasksError(failure);
    const theirs = error.current;
    if (!theirs || !base || !onConflict) return onRefused({ operation, error });
    const save = async (values: Changes) => {
      await queue(operation, theirs, values);
      return { ...theirs, ...editsOf(values) };
    };
    return onConflict(new Conflict({ error, base, changes: editsOf(operation), theirs, save }));
  }
}

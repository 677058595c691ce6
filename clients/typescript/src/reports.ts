/** Tells an application what was not done. */

import { Conflict } from "./conflict.js";
import { type Entry, editsOf, type Queued } from "./entries.js";
import { type ErrorParts, TasksError } from "./errors.js";
import type { QueueState } from "./state.js";
import { exclusively, visible } from "./tabs.js";
import type { Changes, Task } from "./types.js";

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

/** Gives the function that reports all there is, one by one, in one tab that a person sees. */
export function reporter(state: QueueState, handlers: Handlers, queue: Save): () => Promise<void> {
  const { name, signal } = state;
  let isReporting = false;

  async function reportAll(): Promise<void> {
    for (;;) {
      const entry = (await state.read()).find(({ failure }) => failure);
      if (entry === undefined || signal.aborted) return;
      await tell(entry, entry.failure as ErrorParts);
      await state.change((entries) => entries.filter(({ id }) => id !== entry.id));
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

  return async function report() {
    if (isReporting || !state.entries.some((entry) => entry.failure)) return;
    isReporting = true;
    try {
      await visible(signal);
      await exclusively(`${name}:report`, reportAll, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      isReporting = false;
    }
    await report(); // of what came while the lock was given back
  };
}

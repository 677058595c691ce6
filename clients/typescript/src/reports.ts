/** Tells an application what was not done. */

import { Conflict } from "./conflict.js";
import { type Entry, editsOf, normal, type Queued } from "./entries.js";
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
export type Save = (operation: Queued, theirs: Task, values: Changes) => Promise<void>;

export class Reporter {
  readonly #state: QueueState;
  readonly #handlers: Handlers;
  readonly #save: Save;
  #isReporting = false;

  constructor(state: QueueState, handlers: Handlers, save: Save) {
    this.#state = state;
    this.#handlers = handlers;
    this.#save = save;
    state.listeners.add(() => void this.#report());
  }

  /** Reports all that there is, one after the other, in one tab that a person sees. */
  async #report(): Promise<void> {
    if (this.#isReporting || !this.#state.entries.some((entry) => entry.failure)) return;
    this.#isReporting = true;
    const { name, signal } = this.#state;
    try {
      await visible(signal);
      await exclusively(`${name}:report`, () => this.#reportAll(), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#isReporting = false;
    }
  }

  async #reportAll(): Promise<void> {
    for (;;) {
      const entry = (await this.#state.read()).find(({ failure }) => failure);
      if (entry === undefined || this.#state.signal.aborted) return;
      await this.#tell(entry, entry.failure as ErrorParts);
      await this.#state.change((entries) => entries.filter(({ id }) => id !== entry.id));
    }
  }

  #tell({ operation, base }: Entry, failure: ErrorParts): unknown {
    const { onConflict, onRefused } = this.#handlers;
    const error = new TasksError(failure);
    const theirs = error.current;
    if (!theirs || !base || !onConflict) return onRefused({ operation, error });
    const save = async (values: Changes) => {
      await this.#save(operation, theirs, values);
      return { ...theirs, ...normal(values) };
    };
    return onConflict(new Conflict({ error, base, changes: editsOf(operation), theirs, save }));
  }
}

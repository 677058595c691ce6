/** A write that was not done, because the task had been changed meanwhile. */

import { TasksError } from "./errors.js";
import { FIELDS } from "./fields.js";
import type { Changes, Fields, Task } from "./types.js";

/** The three sides of a conflict, and a way out. */
export interface ConflictParts {
  readonly error: TasksError;
  readonly base: Task;
  readonly changes: Changes;
  readonly theirs: Task;
  /** Sends values with the version of `theirs`. */
  readonly save: (values: Changes) => Promise<Task>;
}

/** Somebody else has changed the task since it was read. Nothing was overwritten. */
export class Conflict extends TasksError {
  override readonly name: string = "Conflict";
  /** The task as it was read. */
  readonly base: Task;
  /** What it would be if nobody else had changed it. */
  readonly mine: Fields;
  /** The task as it is now. */
  readonly theirs: Task;
  /** `theirs`, with what `mine` has changed. */
  readonly merged: Fields;
  /** What both have changed, to different values. If there is none, `merged` has both edits. */
  readonly fields: readonly (keyof Fields)[];
  readonly #edits: Partial<Fields>;
  readonly #save: ConflictParts["save"];

  constructor({ error, base, changes, theirs, save }: ConflictParts) {
    super({ ...error, cause: error.cause });
    this.base = base;
    this.theirs = theirs;
    this.mine = patched(base, changes);
    const edited = FIELDS.filter((name) => this.mine[name] !== base[name]);
    this.#edits = Object.fromEntries(edited.map((name) => [name, this.mine[name]]));
    this.merged = patched(theirs, this.#edits);
    this.fields = edited.filter(
      (name) => theirs[name] !== base[name] && theirs[name] !== this.mine[name],
    );
    this.#save = save;
  }

  /**
   * Saves over `theirs`, which the person has seen. An edit after that one is another conflict.
   *
   * @param values - what to save; what `mine` has changed if left out.
   * @returns the saved task; of a removal, the task that was removed.
   */
  overwrite(values: Changes = this.#edits): Promise<Task> {
    return this.#save(values);
  }
}

/** What a task becomes with a merge patch. */
function patched(task: Task, { title, description, is_completed }: Changes): Fields {
  return {
    title: title ?? task.title,
    description: description === undefined ? task.description : (description ?? ""),
    is_completed: is_completed ?? task.is_completed,
  };
}

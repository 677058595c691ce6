/**
 * The tasks of a signed-in user, as the page shows them.
 *
 * `tasks.list` brings pages while the user scrolls, `tasks.subscribe` what has changed since, and
 * the queue lies over both what this browser has not sent yet.
 */

import { type Change, type Conflict, createQueue, type Fields, TasksError } from "@taskapi/client";
import type { Queue, Shown, Task, Tasks } from "@taskapi/client";
import { byAge, isIn, isLater, queryOf, type View } from "./view.ts";

export type Status = "connecting" | "open" | "offline" | "closed";

/** A sentence at the foot of the page, with something to do about it. */
export interface Notice {
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

export interface State {
  readonly view: View;
  readonly tasks: readonly Shown[];
  /** How many tasks the service has found; null while it is asked. */
  readonly found: number | null;
  readonly hasMore: boolean;
  readonly failure: string | null;
  readonly status: Status;
  readonly pending: number;
  readonly notice: Notice | null;
  readonly conflict: Conflict | null;
}

const PAGE = 30;

/** Whether the service does not have it yet. */
const isNew = ({ id }: Shown) => id < 0;

/** What the queue knows a task by. */
const target = (task: Shown) => (isNew(task) && task.key ? task.key : task);

const messageOf = (error: unknown) =>
  error instanceof TasksError ? error.detail : "Something went wrong.";

/** Milliseconds for which a deletion can be undone. */
export const UNDO = 6000;

export class TaskStore {
  readonly #tasks: Tasks;
  readonly #queue: Queue;
  readonly #ended = new AbortController();
  readonly #listeners = new Set<() => void>();
  /** By id, the name under which the task was created here: its row stays the same one. */
  readonly #keys = new Map<number, string>();
  readonly #conflicts: Conflict[] = [];
  #loaded: Task[] = [];
  #cursor: string | null = null;
  /** What has come while a page was fetched, which may be older. */
  #meanwhile: Change[] | null = null;
  #loading: AbortController | null = null;
  #state: State = {
    view: { q: "", filter: "all" },
    tasks: [],
    found: null,
    hasMore: false,
    failure: null,
    status: "connecting",
    pending: 0,
    notice: null,
    conflict: null,
  };

  /**
   * @param onEnd - the user is signed out, or does not exist any more.
   */
  constructor(tasks: Tasks, user: string, onEnd: (error: TasksError) => void) {
    this.#tasks = tasks;
    this.#queue = createQueue(tasks, {
      user,
      onSettled: ({ operation, task }) => {
        if (task && operation.op === "create" && operation.key) this.#keys.set(task.id, operation.key);
        if (task) this.#put(task);
        else if (operation.op === "delete" && operation.id) this.#drop(operation.id);
      },
      onConflict: (conflict) => this.#onConflict(conflict),
      onRefused: ({ error }) => this.#notify({ text: `Not saved. ${error.detail}` }),
    });
    this.#queue.subscribe(() => this.#publish({}));
    tasks.subscribe({
      since: "now",
      signal: this.#ended.signal,
      onResync: () => this.load(),
      onChanges: (changes) => this.#apply(changes),
      onStatus: (status) => this.#publish({ status }),
      onError: onEnd,
    });
    void this.load();
  }

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = () => this.#state;

  /** A name for a task's row that stays when the task gets its id. */
  rowOf({ id, key }: Shown): string {
    return this.#keys.get(id) ?? key ?? String(id);
  }

  close() {
    this.#ended.abort();
    this.#loading?.abort();
    this.#queue.close();
  }

  show(view: View) {
    this.#publish({ view });
    void this.load();
  }

  /** Reads the view from its beginning, as far as it was read before. */
  async load() {
    this.#loading?.abort();
    const limit = Math.min(Math.max(this.#state.view.q ? 0 : this.#loaded.length, PAGE), 1000);
    await this.#fetch(null, limit, () => {
      this.#loaded = [];
    });
  }

  /** Reads the next page, unless one is being read. */
  async more() {
    if (this.#loading === null) await this.#fetch(this.#cursor, PAGE, () => {});
  }

  async #fetch(cursor: string | null, limit: number, begin: () => void) {
    const loading = new AbortController();
    this.#loading = loading;
    this.#meanwhile = [];
    try {
      const list = this.#tasks.list({ ...queryOf(this.#state.view), limit }, loading);
      const page = await list.page(cursor);
      begin();
      this.#cursor = page.next_cursor;
      this.#loaded.push(...page.tasks.filter((task) => !this.#loaded.some(({ id }) => id === task.id)));
      this.#apply(this.#meanwhile);
      this.#publish({ found: page.total, failure: null });
    } catch (error) {
      if (!loading.signal.aborted) this.#publish({ failure: messageOf(error) });
    } finally {
      if (this.#loading === loading) this.#loading = this.#meanwhile = null;
    }
  }

  async add(title: string) {
    await this.#queue.create({ title });
  }

  async toggle(task: Shown) {
    await this.#queue.complete(target(task), !task.is_completed);
  }

  /** Saves what was changed against `base`, which is what the user saw when the edit began. */
  async edit(base: Shown, fields: Partial<Fields>) {
    await this.#queue.update(target(base), fields);
  }

  /** Deletes a task when the time to undo it is over, also if this tab is closed by then. */
  async remove(task: Shown) {
    const handle = await this.#queue.remove(target(task), { after: UNDO });
    const undo = async () => {
      const { title, description, is_completed } = task;
      if (await this.#queue.cancel(handle)) this.#notify({ text: `“${title}” is back.` });
      else await this.#queue.create({ title, description, is_completed });
    };
    this.#notify({ text: `“${task.title}” was deleted.`, action: { label: "Undo", run: undo } });
  }

  /** Does what the present notice offers. */
  act() {
    const action = this.#state.notice?.action;
    this.#publish({ notice: null });
    action?.run();
  }

  dismiss(notice: Notice) {
    if (this.#state.notice === notice) this.#publish({ notice: null });
  }

  /** Ends the present conflict with these values, or with theirs. */
  async resolve(values: Fields | null) {
    const conflict = this.#conflicts.shift();
    this.#publish({ conflict: this.#conflicts[0] ?? null });
    if (conflict) this.#put(conflict.theirs);
    if (conflict && values) await conflict.overwrite(values);
  }

  /** Edits of different fields are both kept; of the same field, the user decides. */
  #onConflict(conflict: Conflict) {
    const { base, mine, merged, theirs, fields } = conflict;
    const isRemoval = (Object.keys(mine) as (keyof Fields)[]).every((name) => mine[name] === base[name]);
    if (isRemoval) {
      this.#put(theirs);
      const action = { label: "Delete anyway", run: () => void conflict.overwrite() };
      this.#notify({ text: `“${theirs.title}” has changed meanwhile.`, action });
    } else if (fields.length === 0) {
      void conflict.overwrite(merged);
      this.#notify({ text: "Your edit and another one were merged." });
    } else {
      this.#conflicts.push(conflict);
      this.#publish({ conflict: this.#conflicts[0] ?? null });
    }
  }

  #apply(changes: readonly Change[]) {
    this.#meanwhile?.push(...changes);
    for (const { id, key, task } of changes) {
      if (key) this.#keys.set(id, key);
      if (task) this.#put(task);
      else this.#drop(id);
    }
  }

  /** Takes in the latest version of a task, where it is one of those that are loaded, or newer. */
  #put(task: Task) {
    const known = this.#loaded.find(({ id }) => id === task.id);
    if (known && isLater(known, task)) return;
    const others = this.#loaded.filter(({ id }) => id !== task.id);
    const last = this.#loaded.at(-1);
    const isNear = known || this.#cursor === null || !last || byAge(task, last) < 0;
    const isShown = isNear && isIn(this.#state.view, task);
    this.#loaded = isShown ? [...others, task].sort(byAge) : others;
    this.#publish({});
  }

  #drop(removed: number) {
    this.#loaded = this.#loaded.filter(({ id }) => id !== removed);
    this.#publish({});
  }

  #notify(notice: Notice) {
    this.#publish({ notice });
  }

  #publish(changed: Partial<State>) {
    const { view } = { ...this.#state, ...changed };
    const arrived = new Set(this.#keys.values());
    const shown = this.#queue.overlay(this.#loaded);
    this.#state = {
      ...this.#state,
      ...changed,
      tasks: shown.filter((task) => isIn(view, task) && !(isNew(task) && arrived.has(task.key ?? ""))),
      hasMore: this.#cursor !== null,
      pending: this.#queue.pending,
    };
    for (const listener of this.#listeners) listener();
  }
}

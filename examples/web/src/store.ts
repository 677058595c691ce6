/**
 * The tasks of a signed-in user, as the page shows them.
 *
 * `tasks.list` brings pages while the user scrolls, `tasks.subscribe` what has changed since, and
 * the queue lies over both what this browser has not sent yet.
 */

import type { Change, Conflict, Fields, Task, TaskPage, Tasks } from "@taskapi/client";
import { TasksError } from "@taskapi/client";
import { createQueue, type Known, type Queue, type Shown } from "@taskapi/client/queue";
import { EMPTY, type Notice, type State } from "./state.ts";
import { byAge, isIn, isLater, queryOf, type View } from "./view.ts";

const PAGE = 30;

/** Errors after which nothing can be sent. */
const ENDINGS = ["user_not_found", "signed_out"];

const NAMES = ["title", "description", "is_completed"] as const;

const messageOf = (error: unknown) =>
  error instanceof TasksError ? error.detail : "Something went wrong.";

/** Milliseconds for which a deletion can be undone. */
export const UNDO = 6000;

export class TaskStore {
  readonly #tasks: Tasks;
  readonly #user: string;
  readonly #queue: Queue;
  readonly #ended = new AbortController();
  readonly #listeners = new Set<() => void>();
  /** By id, the key of a task that was created by this client: its row stays the same one. */
  readonly #keys = new Map<number, string>();
  #decided = () => {};
  #loaded: Known[] = [];
  #cursor: string | null = null;
  /** What has come while a page was fetched, which may be older. */
  #meanwhile: Change[] | null = null;
  #loading: AbortController | null = null;
  #state: State = EMPTY;

  /**
   * @param onEnd - the user is signed out, or does not exist any more.
   */
  constructor(tasks: Tasks, user: string, onEnd: (error: unknown) => void) {
    this.#tasks = tasks;
    this.#user = user;
    this.#queue = createQueue(tasks, {
      user,
      onSettled: ({ operation, task }) => {
        if (task && operation.key) this.#keys.set(task.id, operation.key);
        if (task) this.#put(task);
        else this.#drop(operation);
      },
      onConflict: (conflict) => this.#onConflict(conflict),
      onRefused: ({ error }) => this.#notify({ text: `A change was not saved. ${error.detail}` }),
    });
    this.#queue.subscribe(() => {
      this.#publish({});
      const { error } = this.#queue;
      if (error && ENDINGS.includes(error.code)) onEnd(error);
    });
    tasks.subscribe({
      since: "now",
      user,
      signal: this.#ended.signal,
      onResync: () => this.load(),
      onChanges: (changes) => this.#apply(changes),
      onStatus: (status) => {
        this.#publish({ status });
        if (status === "open" && this.#state.failure) void this.load();
      },
      onError: onEnd,
    });
    void this.load();
  }

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = () => this.#state;

  /** What was not sent waits in the queue for the next time. */
  close() {
    this.#ended.abort();
    this.#loading?.abort();
    this.#queue.close();
    this.#tasks.forget(); // Whoever comes next gets a token of their own.
  }

  show(view: View) {
    this.#cursor = null; // of the view before
    this.#publish({ view, found: null });
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
    const meanwhile: Change[] = [];
    [this.#loading, this.#meanwhile] = [loading, meanwhile];
    this.#publish({});
    try {
      const { signal } = loading;
      const options = { signal, user: this.#user };
      const list = this.#tasks.list({ ...queryOf(this.#state.view), limit }, options);
      const page = await list.page(cursor);
      if (this.#loading !== loading) return;
      [this.#loading, this.#meanwhile] = [null, null];
      begin();
      this.#append(page);
      this.#apply(meanwhile);
      this.#publish({ found: page.total, failure: null });
    } catch (error) {
      if (this.#loading !== loading) return;
      [this.#loading, this.#meanwhile] = [null, null];
      this.#publish({ failure: messageOf(error) });
    }
  }

  #append({ tasks, next_cursor }: TaskPage) {
    const known = new Set(this.#loaded.map(({ id }) => id));
    const more = tasks.filter(({ id }) => !known.has(id)).map((task) => this.#named(task));
    this.#loaded = [...this.#loaded, ...more];
    this.#cursor = next_cursor;
  }

  add(title: string) {
    return this.#tell(this.#queue.create({ title }));
  }

  toggle(task: Shown) {
    return this.#tell(this.#queue.complete(task, !task.is_completed));
  }

  /** Saves what was changed against `base`, which is what the user saw when the edit began. */
  edit(base: Shown, fields: Partial<Fields>) {
    return this.#tell(this.#queue.update(base, fields));
  }

  /** Deletes a task. It is sent when the time to undo it is over, even if this tab is closed. */
  async remove(task: Shown) {
    const removal = await this.#tell(this.#queue.remove(task, { after: UNDO }));
    if (removal === undefined) return;
    const undo = async () => {
      const { title, description, is_completed } = task;
      const isBack = await this.#queue.cancel(removal);
      if (!isBack) await this.#tell(this.#queue.create({ title, description, is_completed }));
    };
    this.#notify({ text: `“${task.title}” was deleted.`, action: { label: "Undo", run: undo } });
  }

  /** What the queue cannot keep, the user has to know: it says why. */
  async #tell<Result>(stored: Promise<Result>): Promise<Result | undefined> {
    try {
      return await stored;
    } catch (error) {
      this.#notify({ text: messageOf(error) });
    }
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
    if (values) await this.#state.conflict?.overwrite(values);
    this.#publish({ conflict: null });
    this.#decided();
  }

  /** Edits of different fields are both kept. Of the same field, the user decides. */
  async #onConflict(conflict: Conflict) {
    const { base, mine, merged, theirs, fields } = conflict;
    this.#put(theirs);
    this.#publish({});
    const isRemoval = NAMES.every((name) => mine[name] === base[name]);
    if (isRemoval) {
      const action = { label: "Delete anyway", run: () => void conflict.overwrite() };
      this.#notify({ text: `“${theirs.title}” has changed meanwhile.`, action });
    } else if (fields.length === 0) {
      await conflict.overwrite(merged);
    } else {
      this.#publish({ conflict });
      await new Promise<void>((decided) => {
        this.#decided = decided;
      });
    }
  }

  #apply(changes: readonly Change[]) {
    this.#meanwhile?.push(...changes);
    for (const { id, key, task } of changes) {
      if (key) this.#keys.set(id, key);
      if (task) this.#put(task);
      else this.#drop({ id });
    }
    this.#publish({}); // once for all of them, because it goes through the whole list
  }

  /** Takes in the latest version of a task, where it is one of those that are loaded, or newer. */
  #put(task: Task) {
    const known = this.#loaded.find(({ id }) => id === task.id);
    if (known && isLater(known, task)) return;
    const others = this.#loaded.filter(({ id }) => id !== task.id);
    const last = this.#loaded.at(-1);
    const isNear = known || this.#cursor === null || !last || byAge(task, last) < 0;
    const isShown = isNear && isIn(this.#state.view, task);
    this.#loaded = isShown ? [...others, this.#named(task)].sort(byAge) : others;
  }

  #named(task: Task): Known {
    return { ...task, key: this.#keys.get(task.id) ?? null };
  }

  #drop(removed: { readonly id?: number; readonly key?: string | null }) {
    const isRemoved = ({ id, key }: Known) => id === removed.id || (key && key === removed.key);
    this.#loaded = this.#loaded.filter((task) => !isRemoved(task));
  }

  #notify(notice: Notice) {
    this.#publish({ notice });
  }

  #publish(changed: Partial<State>) {
    const { view } = { ...this.#state, ...changed };
    const shown = this.#queue.overlay(this.#loaded);
    this.#state = {
      ...this.#state,
      ...changed,
      tasks: shown.filter((task) => isIn(view, task)),
      hasMore: this.#cursor !== null,
      isLoading: this.#loading !== null,
      pending: this.#queue.pending,
    };
    for (const listener of this.#listeners) listener();
  }
}

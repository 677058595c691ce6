/** The entries of a queue as this tab knows them. */

import { type Entries, isLive, type Settled } from "./entries.js";
import type { TasksError } from "./errors.js";
import type { QueueStorage } from "./storage.js";
import { connect } from "./tabs.js";

/** Changes the entries. */
export type Change = (entries: Entries) => Entries;

export interface QueueState {
  readonly name: string;
  /** Aborted at the end. */
  readonly signal: AbortSignal;
  readonly listeners: Set<() => void>;
  readonly entries: Entries;
  /** Those that wait or are on their way. */
  readonly waiting: Entries;
  /** Why nothing is sent. */
  readonly error: TasksError | null;
  /** Takes the entries as they are stored. */
  read(): Promise<Entries>;
  change(change: Change): Promise<Entries>;
  note(error: TasksError | null): void;
  close(): void;
}

/**
 * Opens the state of a queue.
 *
 * @param onHeard - another tab has changed the entries.
 */
export function openState(
  name: string,
  storage: QueueStorage,
  onSettled: ((settled: Settled) => void) | undefined,
  onHeard: () => void,
): QueueState {
  const closed = new AbortController();
  const { signal } = closed;
  const listeners = new Set<() => void>();
  let entries: Entries = [];
  let error: TasksError | null = null;

  let told: ReadonlySet<number> | undefined;

  const channel = connect(name, () => {
    read().then(onHeard, onHeard);
  });
  const notify = () => {
    for (const listener of listeners) listener();
  };
  const take = (stored: Entries) => {
    if (signal.aborted) return stored;
    const done = stored.filter((entry) => entry.done);
    const news = done.filter(({ id }) => told && !told.has(id)); // none for a tab that begins
    told = new Set(done.map(({ id }) => id));
    for (const entry of news) onSettled?.(entry.done as Settled);
    entries = stored;
    notify();
    return stored;
  };
  const read = async () => take(await storage.change((stored) => stored));

  return {
    name,
    signal,
    listeners,
    get entries() {
      return entries;
    },
    get waiting() {
      return entries.filter(isLive);
    },
    get error() {
      return error;
    },
    read,
    async change(change) {
      let isChanged = false;
      const stored = await storage.change((before) => {
        const after = change(before);
        isChanged = after !== before;
        return after;
      });
      if (isChanged && !signal.aborted) channel.post(null);
      return take(stored);
    },
    note(next) {
      if (error === next) return;
      error = next;
      notify();
    },
    close() {
      closed.abort();
      channel.close();
      storage.close();
    },
  };
}

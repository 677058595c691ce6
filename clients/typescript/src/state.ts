/** The entries of a queue as this tab knows them. */

import type { Entries, Settled } from "./entries.js";
import type { QueueStorage } from "./storage.js";
import { type Channel, connect } from "./tabs.js";

/** Changes the entries; tells what has taken effect. */
export type Change = (entries: Entries, tell: (settled: Settled) => void) => Entries;

export class QueueState {
  readonly name: string;
  readonly listeners = new Set<() => void>();
  readonly #storage: QueueStorage;
  readonly #channel: Channel<Settled[]>;
  readonly #onSettled: ((settled: Settled) => void) | undefined;
  readonly #closed = new AbortController();
  #entries: Entries = [];

  /** @param onHeard - another tab has changed the entries. */
  constructor(
    name: string,
    storage: QueueStorage,
    onSettled: ((settled: Settled) => void) | undefined,
    onHeard: () => void,
  ) {
    this.name = name;
    this.#storage = storage;
    this.#onSettled = onSettled;
    this.#channel = connect(name, (settled: Settled[]) => {
      this.read(settled).then(onHeard, onHeard);
    });
  }

  /** Aborted at the end. */
  get signal(): AbortSignal {
    return this.#closed.signal;
  }

  get entries(): Entries {
    return this.#entries;
  }

  /** Those that wait or are on their way. */
  get waiting(): Entries {
    return this.#entries.filter((entry) => !entry.failure);
  }

  /** Takes the entries as they are stored, after those who listen know what was settled. */
  async read(settled: Settled[] = []): Promise<Entries> {
    return this.#take(await this.#storage.change((entries) => entries), settled);
  }

  async change(change: Change): Promise<Entries> {
    const settled: Settled[] = [];
    let isChanged = false;
    const entries = await this.#storage.change((before) => {
      const after = change(before, (each) => settled.push(each));
      isChanged = after !== before;
      return after;
    });
    if (isChanged && !this.signal.aborted) this.#channel.post(settled);
    return this.#take(entries, settled);
  }

  notify(): void {
    for (const listener of this.listeners) listener();
  }

  close(): void {
    this.#closed.abort();
    this.#channel.close();
    this.#storage.close();
  }

  #take(entries: Entries, settled: Settled[]): Entries {
    if (this.signal.aborted) return entries;
    for (const each of settled) this.#onSettled?.(each);
    this.#entries = entries;
    this.notify();
    return entries;
  }
}

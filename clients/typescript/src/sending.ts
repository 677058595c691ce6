/** Sends what a queue holds, as long as that is possible, and tries again later. */

import { answered, refused, sealed, unsealed } from "./batches.js";
import { type Entry, waits } from "./entries.js";
import { TasksError } from "./errors.js";
import type { Change, QueueState } from "./state.js";
import { exclusively } from "./tabs.js";
import { ofOne, randomKey, type Tasks } from "./tasks.js";
import type { Operation } from "./types.js";
import { jittered } from "./wait.js";

const MOST_OPERATIONS = 100;

/** Milliseconds between two attempts, at most. */
const LONGEST_PAUSE = 60_000;

/** Errors of what was sent. Any other passes, or is to be put right by a person. */
const isRefusal = ({ status, code }: TasksError) =>
  status === 413 || ([400, 422].includes(status) && code !== "not_a_response_of_the_api");

export class Sender {
  readonly #tasks: Tasks;
  readonly #user: string;
  readonly #state: QueueState;
  #error: TasksError | null = null;
  #limit = MOST_OPERATIONS;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWanted = false;
  #running: Promise<void> | undefined;

  constructor(tasks: Tasks, user: string, state: QueueState) {
    this.#tasks = tasks;
    this.#user = user;
    this.#state = state;
    state.signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  /** Why the last attempt has failed; null if it has not. */
  get error(): TasksError | null {
    return this.#error;
  }

  flush(): Promise<void> {
    this.#isWanted = true;
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Flushes in so many milliseconds from now, and not when it would have before. */
  #wake(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (this.#state.signal.aborted) return;
    this.#timer = setTimeout(() => void this.flush(), milliseconds);
  }

  async #run(): Promise<void> {
    const { name, signal } = this.#state;
    try {
      while (this.#isWanted) {
        this.#isWanted = false;
        // Two that send at once would do no harm: they would send the same, with the same key.
        await exclusively(`${name}:send`, () => this.#sendAll(), signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#running = undefined;
    }
  }

  async #sendAll(): Promise<void> {
    try {
      while (await this.#sendBatch()) this.#failures = 0;
      this.#note(null);
      const pauses = this.#state.waiting.map((entry) => waits(entry, Date.now()));
      if (pauses.length > 0) this.#wake(Math.max(Math.min(...pauses), 0));
    } catch (error) {
      if (!(error instanceof TasksError)) throw error;
      this.#note(error);
      const pause = Math.min(1000 * 2 ** this.#failures, LONGEST_PAUSE);
      this.#failures += 1;
      if (error.retryAfter) this.#isWanted = false;
      this.#wake((error.retryAfter ?? 0) * 1000 + jittered(pause));
    }
  }

  /** Sends the next batch, or the last one again if it was not answered. False if there is none. */
  async #sendBatch(): Promise<boolean> {
    const key = randomKey();
    const entries = await this.#state.change((all) => sealed(all, key, this.#limit, Date.now()));
    const sent = entries.filter((entry) => entry.batch);
    if (sent.length === 0) return false;
    await this.#state.change(await this.#answerTo(sent, sent[0]?.batch as string));
    return true;
  }

  /** What the answer to a batch means for the entries. */
  async #answerTo(sent: readonly Entry[], batch: string): Promise<Change> {
    const options = { atomic: false, idempotencyKey: batch, user: this.#user };
    const operations = sent.map(({ operation }) => operation as Operation);
    const { signal } = this.#state;
    try {
      const results = await this.#tasks.batch(operations, { ...options, signal });
      this.#limit = Math.min(2 * this.#limit, MOST_OPERATIONS);
      return (entries, tell) => answered(entries, batch, results, tell);
    } catch (error) {
      if (!(error instanceof TasksError && isRefusal(error))) throw error;
      // None was done because of one of them, which is found by sending fewer.
      this.#limit = Math.ceil(sent.length / 2);
      return sent.length > 1
        ? (entries) => unsealed(entries, batch)
        : (entries, tell) => refused(entries, batch, ofOne(error), tell);
    }
  }

  #note(error: TasksError | null): void {
    if (this.#error === error) return;
    this.#error = error;
    this.#state.notify();
  }
}

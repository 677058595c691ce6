/** Sends what a queue holds, as long as that is possible, and tries again later. */

import { answered, sealed, unsealed } from "./batches.js";
import { type Entry, waits } from "./entries.js";
import { TasksError } from "./errors.js";
import type { Change, QueueState } from "./state.js";
import { inTurn } from "./tabs.js";
import { ofOne, randomKey, type Tasks } from "./tasks.js";
import type { Operation } from "./types.js";
import { jittered } from "./wait.js";

const MAX_OPERATIONS = 100;

/** Milliseconds between two attempts, at most. */
const MAX_PAUSE_MS = 60_000;

/** Errors of what was sent. Any other passes, or is to be put right by a person. */
const isRefusal = ({ status, code }: TasksError) =>
  status === 413 || ([400, 422].includes(status) && code !== "not_a_response_of_the_api");

/** Gives the function that sends what waits, and resolves when there is no more to be done now. */
export function sender(tasks: Tasks, user: string, state: QueueState): () => Promise<void> {
  const { name, signal } = state;
  let limit = MAX_OPERATIONS;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(timer));
  // Two tabs that send at once would do no harm: they would send the same, with the same key.
  const flush = inTurn(`${name}:send`, sendAll, signal);

  function wake(milliseconds: number): void {
    clearTimeout(timer);
    timer = setTimeout(flush, milliseconds);
  }

  async function sendAll(): Promise<void> {
    try {
      while (await sendBatch()) failures = 0;
      state.note(null);
      const others = state.entries.filter((entry) => !entry.failure);
      const pauses = others.map((entry) => waits(entry, Date.now()));
      if (pauses.length > 0) wake(Math.max(Math.min(...pauses), 0));
    } catch (error) {
      if (signal.aborted || !(error instanceof TasksError)) throw error;
      state.note(error);
      const pause = Math.min(1000 * 2 ** failures, MAX_PAUSE_MS);
      failures += 1;
      wake((error.retryAfter ?? 0) * 1000 + jittered(pause));
    }
  }

  /** Sends the next batch, or the last one again if it was not answered. False if there is none. */
  async function sendBatch(): Promise<boolean> {
    const key = randomKey();
    const entries = await state.change((all) => sealed(all, key, limit, Date.now()));
    const sent = entries.filter((entry) => entry.batch);
    if (sent.length === 0) return false;
    await state.change(await send(sent, sent[0]?.batch as string));
    return true;
  }

  /** Sends a batch; gives what the response means for the entries. */
  async function send(sent: readonly Entry[], idempotencyKey: string): Promise<Change> {
    const operations = sent.map(({ operation }) => operation as Operation);
    try {
      // It is repeated by `sendAll`, which does not wait when the network comes back.
      const options = { atomic: false, idempotencyKey, user, signal, maxRetries: 0 };
      const results = await tasks.batch(operations, options);
      limit = Math.min(2 * limit, MAX_OPERATIONS);
      return (entries) => answered(entries, idempotencyKey, results, Date.now());
    } catch (error) {
      if (!(error instanceof TasksError && isRefusal(error))) throw error;
      // None was done because of one of them, which is found by sending fewer.
      limit = Math.ceil(sent.length / 2);
      return sent.length > 1
        ? (entries) => unsealed(entries, idempotencyKey)
        : (entries) => answered(entries, idempotencyKey, [{ ...ofOne(error) }], Date.now());
    }
  }

  return flush;
}

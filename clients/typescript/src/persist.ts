/** Doing something until it has succeeded, through every network there is. */

import { TasksError } from "./errors.js";
import type { Follower } from "./subscribe.js";
import { isPassing } from "./transport.js";
import { Deadline, jittered, pause } from "./wait.js";

/** What has lasted so long, in milliseconds, had a good connection. */
export const STEADY = 5_000;

const SHORTEST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;
const LONGEST_RETRY_AFTER = 300_000;

/** The network has come, or has gone: what is under way is better begun anew. */
const MOVES = ["online", "offline"];

/**
 * Does a step until it is done. After an error that passes, and after a step that was short, it
 * waits, longer each time, unless the browser says meanwhile that the network is there.
 *
 * @param step - gets a signal that ends it; gives whether all is done.
 * @throws the signal's reason; a TasksError that does not pass; any other error of the step.
 */
export async function persist(
  follower: Pick<Follower, "resync" | "status">,
  signal: AbortSignal,
  step: (signal: AbortSignal) => Promise<boolean>,
): Promise<void> {
  let failures = 0;
  let wait = 0;
  for (;;) {
    const attempt = new Deadline(signal);
    const restart = () => attempt.abort();
    for (const move of MOVES) globalThis.addEventListener?.(move, restart);
    let begun = performance.now();
    try {
      await pause(wait, attempt.signal);
      begun = performance.now();
      if (await step(attempt.signal)) return;
      failures = failuresAfter(begun, failures);
      wait = pauseAfter(failures);
    } catch (error) {
      signal.throwIfAborted();
      failures = attempt.signal.aborted ? 0 : failuresAfter(begun, failures);
      wait = attempt.signal.aborted ? 0 : await recover(error, failures, follower);
    } finally {
      for (const move of MOVES) globalThis.removeEventListener?.(move, restart);
      attempt.release();
    }
  }
}

function failuresAfter(begun: number, failures: number): number {
  return performance.now() - begun > STEADY ? 0 : failures + 1;
}

function pauseAfter(failures: number): number {
  return jittered(Math.min(SHORTEST_PAUSE * 2 ** failures, LONGEST_PAUSE));
}

/** What to do after an error; gives the pause after it. */
async function recover(
  error: unknown,
  failures: number,
  follower: Pick<Follower, "resync" | "status">,
): Promise<number> {
  if (!(error instanceof TasksError)) throw error;
  if (error.code === "resync_required") await follower.resync();
  else if (!passes(error)) throw error;
  else if (error.status !== 429) follower.status("offline");
  const asked = Math.min((error.retryAfter ?? 0) * 1000, LONGEST_RETRY_AFTER);
  return error.code === "resync_required" ? 0 : Math.max(asked, pauseAfter(failures));
}

/** Errors of the service and of the network pass; a refusal of this client does not. */
export function passes(error: TasksError): boolean {
  const { status, code } = error;
  return isPassing(error) || status >= 500 || code === "not_a_response_of_the_api";
}

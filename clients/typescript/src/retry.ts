/** Repeats a step until it has succeeded, however the network comes and goes. */

import { TasksError } from "./errors.js";
import type { Follower } from "./subscribe.js";
import { isPassing } from "./transport.js";
import { Deadline, jittered, pause } from "./wait.js";

const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;
const MAX_RETRY_AFTER_MS = 300_000;

/** The network has come, or has gone: what is under way is better begun anew. */
const MOVES = ["online", "offline"];

/**
 * Does a step until it is done. Between two it waits, and longer each time after errors that pass,
 * unless the browser says meanwhile that the network is there.
 *
 * @param step - gets a signal that ends it, and what to call when the service has answered; gives
 *   whether all is done.
 * @throws the signal's reason; a TasksError that does not pass; any other error of the step.
 */
export async function retry(
  follower: Pick<Follower, "resync" | "status">,
  signal: AbortSignal,
  step: (signal: AbortSignal, answered: () => void) => Promise<boolean>,
): Promise<void> {
  let failures = 0;
  const answered = () => {
    failures = 0;
  };
  for (let wait = 0; ; ) {
    const attempt = new Deadline(signal, MOVES);
    try {
      await pause(wait, attempt.signal);
      if (await step(attempt.signal, answered)) return;
      wait = pauseAfter(failures);
    } catch (error) {
      signal.throwIfAborted();
      failures = attempt.signal.aborted ? 0 : failures + 1;
      wait = attempt.signal.aborted ? 0 : await recover(error, failures, follower);
    } finally {
      attempt.release();
    }
  }
}

function pauseAfter(failures: number): number {
  return jittered(Math.min(MIN_PAUSE_MS * 2 ** failures, MAX_PAUSE_MS));
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
  const asked = Math.min((error.retryAfter ?? 0) * 1000, MAX_RETRY_AFTER_MS);
  return error.code === "resync_required" ? 0 : Math.max(asked, pauseAfter(failures));
}

/** Errors of the service and of the network pass; a refusal of this client does not. */
export function passes(error: TasksError): boolean {
  const { status, code } = error;
  return isPassing(error) || status >= 500 || code === "not_a_response_of_the_api";
}

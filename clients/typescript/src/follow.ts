/** Following the feed of changes: by a stream, or by polling where there can be none. */

import { readChanges } from "./changes.js";
import { networkError } from "./errors.js";
import { retry } from "./retry.js";
import { NOW, pagesOf, StreamRefused } from "./stream.js";
import type { Follower } from "./subscribe.js";
import type { Transport } from "./transport.js";
import type { ChangePage } from "./types.js";
import { jittered, pause } from "./wait.js";

/** Seconds that a poll waits for something new. Many balancers end what is silent for 60. */
const WAIT_SECONDS = 25;

/** Milliseconds between polls, where something in between takes the wish to wait away. */
const BETWEEN_POLLS = 5_000;

/** How long a stream is not asked for again that was refused, in milliseconds. */
const POLLING = 600_000;

/** A stream that ends sooner, in milliseconds, is short; so many in a row are as good as refused. */
const SHORT = 5_000;
const SHORT_STREAMS = 3;

/**
 * Brings a follower into step, and keeps it there until the signal.
 *
 * @throws the signal's reason; a TasksError that does not pass; what the follower throws.
 */
export async function follow(
  transport: Transport,
  follower: Follower,
  signal: AbortSignal,
): Promise<void> {
  let short = 0;
  let pollUntil = 0;
  await retry(follower, signal, async (attempt, answered) => {
    await catchUp(transport, follower, attempt);
    answered();
    follower.status("open");
    if (performance.now() < pollUntil) return poll(transport, follower, attempt, pollUntil);
    const begun = performance.now();
    let isRefused = false;
    try {
      await listen(transport, follower, attempt);
    } catch (error) {
      if (!(error instanceof StreamRefused)) throw error;
      isRefused = true;
    } finally {
      short = performance.now() - begun > SHORT ? 0 : short + 1;
      if (isRefused || short >= SHORT_STREAMS) {
        pollUntil = performance.now() + POLLING;
        short = 0;
      }
    }
    return false;
  });
}

/** Reads pages from the follower's own position until there are no more. */
export async function catchUp(
  transport: Transport,
  follower: Follower,
  signal: AbortSignal,
): Promise<void> {
  if (follower.since === NOW) return begin(transport, follower, signal);
  for (let hasMore = true; hasMore; ) {
    const { since } = follower;
    const page = await readPage(transport, follower, signal);
    hasMore = page.has_more && page.next !== since;
  }
}

/** Takes the position of now, which a stream without a position tells first. */
async function begin(transport: Transport, follower: Follower, signal: AbortSignal): Promise<void> {
  try {
    for await (const { next } of pagesOf(transport, follower, signal)) {
      return await follower.begin(next);
    }
  } catch (error) {
    if (!(error instanceof StreamRefused)) throw error;
  }
  throw networkError("there is no stream");
}

async function readPage(
  transport: Transport,
  follower: Follower,
  signal: AbortSignal,
  wait = 0,
): Promise<ChangePage> {
  const { user, since } = follower;
  const page = await readChanges(transport, { since, wait }, { user, signal, maxRetries: 0 });
  signal.throwIfAborted();
  await follower.apply(page);
  signal.throwIfAborted(); // nothing is told any more
  return page;
}

async function poll(
  transport: Transport,
  follower: Follower,
  signal: AbortSignal,
  until: number,
): Promise<false> {
  for (let begun = performance.now(); begun < until; begun = performance.now()) {
    const { changes } = await readPage(transport, follower, signal, WAIT_SECONDS);
    const isEarly = changes.length === 0 && performance.now() - begun < BETWEEN_POLLS;
    if (isEarly) await pause(jittered(BETWEEN_POLLS), signal);
  }
  return false;
}

async function listen(
  transport: Transport,
  follower: Follower,
  signal: AbortSignal,
): Promise<void> {
  for await (const page of pagesOf(transport, follower, signal)) {
    signal.throwIfAborted();
    await follower.apply(page);
  }
}

/** One stream of changes for all tabs of an origin: a browser has six connections for HTTP/1.1. */

import { catchUp, follow } from "./follow.js";
import { retry } from "./retry.js";
import type { Follower, Status } from "./subscribe.js";
import { connect, exclusively, locks } from "./tabs.js";
import type { Transport } from "./transport.js";
import type { ChangePage } from "./types.js";
import { Deadline, pause, unlessAborted } from "./wait.js";

/** What the tab with the stream tells the others. */
interface Message {
  readonly status?: Status;
  /** Where this page continues from. */
  readonly from?: string | null;
  readonly page?: ChangePage;
}

/** After so many milliseconds without a word it is asked whether the tab with the stream sleeps. */
const SILENCE = 60_000;

/**
 * Follows the changes for as long as the page is there: one that was left and may be shown again
 * (the back/forward cache) would keep its connection.
 *
 * @throws what `follow` throws.
 */
export async function share(
  transport: Transport,
  follower: Follower,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const shown = new Deadline(signal, ["pagehide"]);
    try {
      await (locks ? together : follow)(transport, follower, shown.signal);
    } catch (error) {
      if (signal.aborted || !shown.signal.aborted) throw error;
    } finally {
      shown.release();
    }
    const again = new Promise((resolve) => addEventListener("pageshow", resolve, { once: true }));
    await unlessAborted(signal, again);
  }
}

/**
 * Follows the changes in the tab that has the lock, and takes its pages in the others. If it is
 * closed, another one goes on from its own position.
 */
async function together(
  transport: Transport,
  follower: Follower,
  signal: AbortSignal,
): Promise<void> {
  const name = `taskapi:${transport.url}:${follower.user}:changes`;
  let inbox: Message[] = [];
  let woken = () => {};
  const channel = connect<Message>(name, (message) => {
    inbox.push(message);
    woken();
  });

  /** Takes the pages of another tab. */
  const accompany = (ended: AbortSignal) =>
    retry(follower, ended, async (attempt) => {
      for (let isBehind = true; ; ) {
        if (isBehind) {
          inbox = [];
          await catchUp(transport, follower, attempt);
          follower.status("open");
        }
        const { status, from, page } = inbox.shift() ?? {};
        isBehind = page !== undefined && page.next !== follower.since && from !== follower.since;
        if (status) follower.status(status);
        else if (!page) isBehind = await isSilent(attempt);
        else if (!isBehind) await follower.apply(page);
      }
    });
  const isSilent = (ended: AbortSignal) =>
    new Promise<boolean>((resolve, reject) => {
      woken = () => resolve(false);
      pause(SILENCE, ended).then(() => resolve(true), reject);
    });

  const waiting = new Deadline(signal);
  const taken = new Deadline(signal);
  const accompanying = accompany(taken.signal).catch((error) => {
    if (!taken.signal.aborted) waiting.abort(error);
  });
  const lead = async () => {
    taken.abort();
    await accompanying;
    await follow(transport, leading(follower, channel.post), signal);
  };
  let led: Promise<void> | undefined;
  const leadUntilEnd = () => {
    led = lead();
    return unlessAborted(signal, led); // at once, or a page that is hidden would keep the lock
  };
  try {
    await exclusively(name, leadUntilEnd, waiting.signal);
  } finally {
    await Promise.allSettled([accompanying, led]); // the last callback
    channel.close();
    waiting.release();
    taken.release();
  }
}

/** The follower, which tells the others what it gets. */
function leading(follower: Follower, post: (message: Message) => void): Follower {
  return {
    user: follower.user,
    silence: follower.silence,
    get since() {
      return follower.since;
    },
    apply(page) {
      post({ from: follower.since, page });
      return follower.apply(page);
    },
    resync: () => follower.resync(),
    begin: (since) => follower.begin(since),
    status(status) {
      post({ status });
      follower.status(status);
    },
  };
}

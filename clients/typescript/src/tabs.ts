/** What the tabs of one origin do together. */

/** Missing in Node, and on pages without TLS. */
export const { locks } = (globalThis.navigator ?? {}) as { readonly locks?: LockManager };

/**
 * Runs some work while this tab alone holds the lock of a name. Without locks it runs at once.
 *
 * @param signal - ends the waiting for the lock, with its reason.
 */
export async function exclusively<T>(
  name: string,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return locks ? ((await locks.request(name, { signal }, work)) as T) : work();
}

/**
 * Gives a function that does some work in one tab at a time, and once more if it is called meanwhile.
 *
 * @param signal - ends the waiting, and what is called then does nothing.
 */
export function inTurn(
  name: string,
  work: () => Promise<void>,
  signal: AbortSignal,
): () => Promise<void> {
  let isWanted = false;
  let running: Promise<void> | undefined;
  const run = async () => {
    try {
      for (; isWanted; await exclusively(name, work, signal)) isWanted = false;
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      running = undefined;
    }
  };
  return () => {
    isWanted = true;
    running ??= run();
    return running;
  };
}

/** Messages between the tabs that have connected to a name. */
export interface Channel<Message> {
  /** Tells the others. */
  post(message: Message): void;
  close(): void;
}

export function connect<Message>(
  name: string,
  onMessage: (message: Message) => void,
): Channel<Message> {
  const channel: BroadcastChannel & { unref?(): void } = new BroadcastChannel(name);
  channel.onmessage = ({ data }: MessageEvent<Message>) => onMessage(data);
  channel.unref?.(); // a program of Node may end
  return {
    post: (message) => channel.postMessage(message),
    close: () => channel.close(),
  };
}

/** Resolves when a person may see this page: at once in Node. */
export function visible(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (globalThis.document?.visibilityState !== "hidden") return resolve();
    const seen = () => resolve();
    document.addEventListener("visibilitychange", seen, { once: true, signal });
  });
}

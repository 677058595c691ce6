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

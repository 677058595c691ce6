/** The feed of changes, page by page. */

import type { Transport } from "./transport.js";
import type { CallOptions, ChangePage } from "./types.js";

/** Which changes. */
export interface ChangesQuery {
  /** `next` of the last page; everything there is if left out. */
  readonly since?: string | null | undefined;
  readonly limit?: number | undefined;
  /** Seconds to wait for something if there is nothing new; the service waits for 30 at most. */
  readonly wait?: number | undefined;
}

/** One page. */
export function readChanges(
  transport: Transport,
  { since, limit, wait = 0 }: ChangesQuery,
  options?: CallOptions & { readonly maxRetries?: number },
): Promise<ChangePage> {
  return transport.send({
    ...options,
    method: "GET",
    path: "/changes",
    query: { ...(since && { since }), ...(limit && { limit: `${limit}` }) },
    headers: wait ? { Prefer: `wait=${wait}` } : {},
    waits: wait * 1000,
    member: "changes",
  });
}

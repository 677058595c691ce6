/** The stream of events, as far as the network lets it through. */

import { has, parsed } from "./body.js";
import { foreignResponse, networkError, TasksError } from "./errors.js";
import { EventParser, type ServerEvent } from "./events.js";
import type { Follower } from "./subscribe.js";
import { isPassing, type Transport } from "./transport.js";
import type { ChangePage } from "./types.js";
import { Deadline } from "./wait.js";

/** The position of a follower that wants nothing but what changes from now on. */
export const NOW = "now";

/** Here is no stream to be had: too many listen, or a proxy keeps it back. */
export class StreamRefused extends Error {}

/**
 * The pages behind a follower's position, until the stream ends or its token expires.
 *
 * @throws StreamRefused; TasksError; or the signal's reason.
 */
export async function* pagesOf(
  transport: Transport,
  follower: Follower,
  signal: AbortSignal,
): AsyncGenerator<ChangePage, void, undefined> {
  const deadline = new Deadline(signal);
  let hasBegun = false;
  try {
    deadline.extend(follower.silence);
    const { reader, response } = await opened(transport, follower, deadline.signal);
    for (const parser = new EventParser(); ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      hasBegun = true;
      deadline.hold(); // however long the application takes for an event
      for (const event of parser.read(value)) {
        if (PAGES.includes(event.type)) yield pageOf(event, response);
      }
      deadline.extend(follower.silence);
    }
  } catch (error) {
    signal.throwIfAborted();
    const isKeptBack = deadline.signal.aborted && !hasBegun;
    if (isKeptBack || (!hasBegun && isRefusal(error))) throw new StreamRefused();
    throw error instanceof TasksError ? error : networkError(error);
  } finally {
    deadline.abort(); // the connection too
    deadline.release();
  }
}

async function opened(transport: Transport, { user, since }: Follower, signal: AbortSignal) {
  const response = await transport.open({
    method: "GET",
    path: "/events",
    query: since === null || since === NOW ? {} : { since },
    headers: { Accept: "text/event-stream, application/problem+json" },
    user,
    signal,
  });
  const type = response.headers.get("Content-Type") ?? "";
  if (!type.startsWith("text/event-stream") || !response.body) throw foreignResponse(response);
  return { reader: response.body.getReader(), response };
}

/** `ready` tells a follower without a position where now is, and has no changes. */
const PAGES = ["changes", "ready"];

function pageOf({ data }: ServerEvent, response: Response): ChangePage {
  const page = parsed(data);
  if (has("next", page)) return page as ChangePage;
  throw foreignResponse(response);
}

/** The service has just given a page, so what passes elsewhere does not pass soon for a stream. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof TasksError)) return false;
  const { code } = error;
  return code === "not_a_response_of_the_api" || (isPassing(error) && code !== "network");
}

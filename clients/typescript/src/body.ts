/** Bodies of responses, as far as they come. */

import { networkError } from "./errors.js";

/**
 * The text of a response.
 *
 * @param progress - called whenever a part has come, because a long page may take long.
 * @throws TasksError `network` if the connection ends before the text does.
 */
export async function textOf(response: Response, progress = () => {}): Promise<string> {
  try {
    if (!response.body) return await response.text(); // of a `fetch` that has no streams
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (let text = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      progress();
      text += decoder.decode(value, { stream: true });
    }
  } catch (cause) {
    throw networkError(cause);
  }
}

/** What a text is as JSON; undefined if it is none. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether this is an object with this member. */
export function has(member: string, value: unknown): boolean {
  return typeof value === "object" && value !== null && member in value;
}

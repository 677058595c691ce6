/** Lists, whose pages are fetched when they are needed. */

import type { ListQuery, Task, TaskPage } from "./types.js";

/** A page takes as long as it is: one of 1000, the API's default, is for programs. */
const LIMIT = 100;

/** Fetches one page. */
export type FetchPage = (query: Record<string, string>) => Promise<TaskPage>;

/** The tasks that a query matches. Nothing is fetched before it is asked for. */
export class TaskList implements AsyncIterable<Task> {
  readonly #fetch: FetchPage;
  readonly #query: Record<string, string>;

  constructor(fetch: FetchPage, query: ListQuery) {
    this.#fetch = fetch;
    this.#query = { limit: String(LIMIT), ...textsOf(query) };
  }

  /** One page: the first one, or the one behind a `next_cursor`. */
  page(cursor?: string | null): Promise<TaskPage> {
    return this.#fetch({ ...this.#query, ...(cursor && { cursor }) });
  }

  /** All pages. */
  async *pages(): AsyncGenerator<TaskPage, void, undefined> {
    let cursor: string | null = null;
    do {
      const page: TaskPage = await this.page(cursor);
      yield page;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  /** All tasks. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Task, void, undefined> {
    for await (const { tasks } of this.pages()) yield* tasks;
  }
}

function textsOf(query: ListQuery): Record<string, string> {
  const given = Object.entries(query).filter(([, value]) => value != null);
  return Object.fromEntries(
    given.map(([name, value]) => [name, value instanceof Date ? value.toISOString() : `${value}`]),
  );
}

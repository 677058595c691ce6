/** TanStack DB: a collection of tasks for live queries, whose changes show at once. */

import type { PendingMutation, SyncConfig } from "@tanstack/db";
import {
  errorOf,
  fieldsOf,
  named,
  nameOf,
  push,
  type ReplicaSettings,
  type Row,
  retried,
  rowOf,
} from "./replica.js";
import type { Operation, Result, Task } from "./types.js";

export type { Row } from "./replica.js";

export interface TanstackSettings extends ReplicaSettings {
  /** Why it is not kept in step any more: signed out, or the account is deleted. */
  readonly onError: (error: unknown) => unknown;
}

type Sync = Parameters<SyncConfig<Row, string>["sync"]>[0];
type Mutation = Pick<PendingMutation<Row>, "type" | "key" | "modified" | "changes">;

const operations = {
  insert: ({ key, modified }: Mutation) => ({ op: "create", key, ...fieldsOf(modified) }),
  update: ({ key, changes }: Mutation) => ({ op: "update", ...named(key), ...fieldsOf(changes) }),
  delete: ({ key }: Mutation) => ({ op: "delete", ...named(key) }),
};

/**
 * What `createCollection` takes. A change that the service refuses is undone, and its transaction
 * has the error. Changes that were not sent are lost with the page.
 */
export function tasksOptions(settings: TanstackSettings) {
  const { tasks, onError } = settings;
  const versions = new Map<string, string>();
  let sync: Sync | undefined;
  let sent: Promise<unknown> = Promise.resolve();

  /** Takes states that the service has told; one may be older than what is here. */
  function take(states: readonly (readonly [string, Task | null])[]): void {
    sync?.begin();
    for (const [key, task] of states) {
      if (!task) sync?.write({ type: "delete", key });
      else if (task.updated_at > (versions.get(key) ?? "")) {
        sync?.write({ type: "update", value: rowOf(key, task) });
        versions.set(key, task.updated_at);
      }
    }
    sync?.commit();
  }

  function start(given: Sync): () => void {
    sync = given;
    const closed = new AbortController();
    tasks.subscribe({
      signal: closed.signal,
      onError,
      onChanges(changes) {
        take(changes.map((change) => [nameOf(change), change.task]));
        given.markReady();
      },
      onResync() {
        versions.clear();
        given.begin();
        given.truncate();
        given.commit();
      },
    });
    return () => closed.abort();
  }

  async function send(mutations: readonly Mutation[]): Promise<void> {
    const wanted = mutations.map((each) => operations[each.type](each) as Operation);
    const results = await retried(() => push(settings, wanted));
    const nameAt = (index: number) => mutations[index]?.key as string;
    const isGone = ({ status }: Result, index: number) =>
      status === 204 || status === 410 || (status === 404 && mutations[index]?.type === "delete");
    take(
      results.flatMap((result, index) =>
        result.task || isGone(result, index) ? [[nameAt(index), result.task] as const] : [],
      ),
    );
    const refused = results.find((each, index) => each.status >= 400 && !isGone(each, index));
    if (refused) throw errorOf(refused);
  }

  /** One after the other, because a change may depend on those before it. */
  function inTurn({ transaction }: { readonly transaction: { readonly mutations: Mutation[] } }) {
    const done = sent.then(() => send(transaction.mutations));
    sent = done.catch(() => {}); // TanStack DB undoes what was refused; the next ones are sent
    return done;
  }

  return {
    id: "tasks",
    getKey: ({ name }: Row) => name,
    sync: { sync: start, rowUpdateMode: "full" as const },
    onInsert: inTurn,
    onUpdate: inTurn,
    onDelete: inTurn,
  };
}

/** RxDB: a collection of tasks that is kept in step with the service. */

import {
  defaultConflictHandler,
  type RxCollection,
  type RxConflictHandler,
  type RxReplicationPullStreamItem,
} from "rxdb";
import { type RxReplicationState, replicateRxCollection } from "rxdb/plugins/replication";
import { Observable } from "rxjs";
import { TasksError } from "./errors.js";
import {
  errorOf,
  fieldsOf,
  named,
  nameOf,
  push,
  type ReplicaSettings,
  type Row,
  rowOf,
} from "./replica.js";
import type { Change, Operation, Result } from "./types.js";

export type { Row } from "./replica.js";

/** How far the copy has come. */
export interface Checkpoint {
  readonly since: string;
}

type Deletable = Row & { readonly _deleted: boolean };

interface Written {
  readonly assumedMasterState?: Deletable;
  readonly newDocumentState: Deletable;
}

export interface RxdbSettings extends ReplicaSettings {
  readonly collection: RxCollection<Row>;
}

/** What a create gives the members that it does not have. */
const NEW = { description: "", is_completed: false };

/** The fields that were edited since the device was last in step. */
function edited(mine: Row, base: Partial<Row> = NEW): Partial<Row> {
  const fields = Object.entries(fieldsOf(mine));
  return Object.fromEntries(fields.filter(([name, value]) => value !== base[name as keyof Row]));
}

/** The service's state with what was edited here; what is deleted there stays deleted. */
const resolve: RxConflictHandler<Row>["resolve"] = async ({
  assumedMasterState: base,
  newDocumentState: mine,
  realMasterState: theirs,
}) => (theirs._deleted ? theirs : { ...theirs, ...edited(mine, base) });

/** What `addCollections` takes. */
export const tasksCollection = {
  schema: {
    version: 0,
    primaryKey: "name",
    type: "object",
    properties: {
      name: { type: "string", maxLength: 64 },
      updated_at: { type: "string" },
      title: { type: "string" },
      description: { type: "string" },
      is_completed: { type: "boolean" },
    },
  },
  conflictHandler: { ...defaultConflictHandler, resolve },
} as const;

function operationOf({ assumedMasterState: base, newDocumentState: mine }: Written): Operation {
  if (mine._deleted) return { op: "delete", ...named(mine.name) };
  if (!base) return { op: "create", key: mine.name, ...NEW, ...fieldsOf(mine) } as Operation;
  const version = `"${base.updated_at}"`;
  return { op: "update", ...named(mine.name), version, ...fieldsOf(edited(mine, base)) };
}

/** The service's state where the operation was not done, or was done before; none otherwise. */
function conflictOf({ assumedMasterState: base, newDocumentState: mine }: Written, told: Result) {
  const { status, task, current } = told;
  const theirs = status === 412 ? current : status === 200 && !base ? task : null;
  if (theirs) return [{ ...rowOf(mine.name, theirs), _deleted: false }];
  if (status === 404 || status === 410) return mine._deleted ? [] : [{ ...mine, _deleted: true }];
  if (status >= 400) throw errorOf(told);
  return [];
}

const documentOf = (change: Change): Deletable => {
  const name = nameOf(change);
  const { task } = change;
  return { ...(task ? rowOf(name, task) : ({ name } as Row)), _deleted: task === null };
};

/**
 * Keeps a collection of `tasksCollection` in step with the service.
 *
 * Two devices' edits of different fields both stay; of one field, the edit that arrives last. A
 * deletion wins. What the service refuses (an empty title) is sent again every second, and told in
 * `error$`.
 */
export function replicateTasks(settings: RxdbSettings): RxReplicationState<Row, Checkpoint> {
  const { tasks, user, collection } = settings;
  let follow: ((since: string) => void) | undefined;

  /** Everything behind a position; without one everything, so that what is not in it is gone. */
  async function pull(since?: string) {
    const documents = new Map<string, Deletable>();
    let next = since;
    for (let hasMore = true; hasMore; ) {
      const page = await tasks.changes({ since: next, limit: 1000 }, { user });
      for (const change of page.changes) documents.set(nameOf(change), documentOf(change));
      next = page.next;
      hasMore = page.has_more;
    }
    if (since === undefined) {
      for (const { name } of await collection.find().exec()) {
        if (!documents.has(name)) documents.set(name, { name, _deleted: true } as Deletable);
      }
    }
    return { documents: [...documents.values()], checkpoint: { since: next as string } };
  }

  const stream$ = new Observable<RxReplicationPullStreamItem<Row, Checkpoint>>((each) => {
    const closed = new AbortController();
    follow = (since) => {
      follow = undefined;
      const resync = () => each.next("RESYNC");
      tasks.subscribe({
        since,
        signal: closed.signal,
        onChanges: (changes, next) =>
          each.next({ documents: changes.map(documentOf), checkpoint: { since: next } }),
        onResync: resync,
        onError: (error) => each.error(error),
      });
    };
    return () => closed.abort();
  });

  return replicateRxCollection<Row, Checkpoint>({
    collection,
    replicationIdentifier: `${tasks.url}/${user}`,
    retryTime: 1000,
    pull: {
      stream$,
      async handler(checkpoint) {
        const pulled = await pull(checkpoint?.since).catch((error) => {
          if (error instanceof TasksError && error.code === "resync_required") return pull();
          throw error;
        });
        follow?.(pulled.checkpoint.since);
        return pulled;
      },
    },
    push: {
      async handler(rows) {
        const written = rows as Written[];
        const results = await push(settings, written.map(operationOf));
        return written.flatMap((row, index) => conflictOf(row, results[index] as Result));
      },
    },
  });
}

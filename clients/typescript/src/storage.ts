/** Where a queue keeps its operations. */

import type { Entries, Entry } from "./entries.js";
import { TasksError } from "./errors.js";

/** The place of one queue, which several tabs may have open. */
export interface QueueStorage {
  /**
   * Changes the entries, in one transaction: no other tab changes them meanwhile.
   *
   * @param change - gives the new entries; those that stay are the same objects. What it throws
   *   undoes the change, and this rejects with it.
   * @returns the new entries, once they are stored durably.
   */
  change(change: (entries: Entries) => Entries): Promise<Entries>;
  close(): void;
}

/** Opens the place with a name. */
export type OpenStorage = (name: string) => QueueStorage;

/** Of the schema. Each later version gets a step in `upgrade`. */
const VERSION = 1;

const STORE = "entries";

function upgrade(database: IDBDatabase, from: number): void {
  if (from < 1) database.createObjectStore(STORE, { keyPath: "id" });
}

/** In IndexedDB. */
export function indexedDbStorage(name: string): QueueStorage {
  let opening: Promise<IDBDatabase> | undefined;
  const forget = () => {
    opening = undefined;
  };
  const opened = () => {
    opening ??= open(name, forget);
    opening.catch(forget);
    return opening;
  };
  return {
    async change(change) {
      try {
        return await transact(await opened(), change);
      } catch (error) {
        throw error instanceof TasksError ? error : failure(error);
      }
    },
    close: () => void opening?.then((database) => database.close(), forget),
  };
}

function open(name: string, onClosed: () => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, VERSION);
    request.onupgradeneeded = ({ oldVersion }) => upgrade(request.result, oldVersion);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const database = request.result;
      database.onclose = onClosed;
      // A tab with a newer page waits for this.
      database.onversionchange = () => {
        database.close();
        onClosed();
      };
      resolve(database);
    };
  });
}

function transact(database: IDBDatabase, change: (entries: Entries) => Entries): Promise<Entries> {
  return new Promise((resolve, reject) => {
    // Not "relaxed", the default of Chromium, which loses it if the machine loses its power.
    const transaction = database.transaction(STORE, "readwrite", { durability: "strict" });
    const store = transaction.objectStore(STORE);
    const reading: IDBRequest<Entry[]> = store.getAll();
    let after: Entries = [];
    let thrown: unknown;
    reading.onsuccess = () => {
      try {
        after = change(reading.result);
        write(store, reading.result, after);
      } catch (error) {
        thrown = error;
        transaction.abort();
      }
    };
    transaction.oncomplete = () => resolve(after);
    transaction.onabort = () => reject(thrown ?? transaction.error);
  });
}

function write(store: IDBObjectStore, before: Entries, after: Entries): void {
  const [old, now] = [new Set(before), new Set(after.map(({ id }) => id))];
  for (const entry of after) if (!old.has(entry)) store.put(entry);
  for (const { id } of before) if (!now.has(id)) store.delete(id);
}

function failure(cause: unknown): TasksError {
  const { name, message } = cause as Error;
  const why = name === "VersionError" ? "a newer page has, so load this one again" : message;
  return new TasksError({
    status: 0,
    code: "storage",
    detail: `This page cannot store what is to be sent: ${why}`,
    cause,
  });
}

/** In memory, which ends with the program: for Node, and for tests. */
export function memoryStorage(): OpenStorage {
  const places = new Map<string, Entries>();
  return (name) => ({
    async change(change) {
      const after = structuredClone(change(places.get(name) ?? []));
      places.set(name, after);
      return after;
    },
    close() {},
  });
}

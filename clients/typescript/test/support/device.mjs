// A device that the tests drive: one command in JSON for each line, and one result.
import readline from "node:readline";
import { createTasks } from "@taskapi/client";

const { TASKAPI_URL: url, TASKAPI_USER: user, TASKAPI_TOKEN: token } = process.env;
const tasks = createTasks({ url, auth: { token: async () => token } });

const devices = {
  async rxdb() {
    const { createRxDatabase } = await import("rxdb");
    const { getRxStorageMemory } = await import("rxdb/plugins/storage-memory");
    const { replicateTasks, tasksCollection } = await import("@taskapi/client/rxdb");
    const database = await createRxDatabase({
      name: "tasks",
      storage: getRxStorageMemory(),
      multiInstance: false,
    });
    const collection = (await database.addCollections({ tasks: tasksCollection })).tasks;
    const find = (name) => collection.findOne(name).exec();
    let replication = replicateTasks({ tasks, user, collection });
    let conflicts = 0;
    replication.conflict$.subscribe(() => (conflicts += 1));
    return {
      conflicts: () => conflicts,
      restart: async () => {
        await replication.cancel();
        replication = replicateTasks({ tasks, user, collection });
      },
      add: async (rows) => void (await collection.bulkInsert(rows)),
      edit: async (name, fields) => void (await (await find(name)).patch(fields)),
      remove: async (name) => void (await (await find(name)).remove()),
      list: async () => (await collection.find().exec()).map((document) => document.toJSON()),
    };
  },

  async tanstack() {
    const { createCollection } = await import("@tanstack/db");
    const { tasksOptions } = await import("@taskapi/client/tanstack-db");
    const collection = createCollection(tasksOptions({ tasks, user, onError: console.error }));
    collection.subscribeChanges(() => {});
    return {
      add: (rows) => void collection.insert(rows),
      edit: (name, fields) => void collection.update(name, (row) => Object.assign(row, fields)),
      remove: (name) => void collection.delete(name),
      list: () => collection.toArray,
    };
  },
};

const device = await devices[process.argv[2]]();
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [command, ...given] = JSON.parse(line);
  console.log(JSON.stringify((await device[command](...given)) ?? null));
}
process.exit();

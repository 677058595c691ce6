// A device that the tests drive: one command in JSON for each line, and one result.
import readline from "node:readline";

const devices = {
  async rxdb() {
    const { createRxDatabase } = await import("rxdb");
    const { getRxStorageMemory } = await import("rxdb/plugins/storage-memory");
    const { replicate, tasks } = await import("./rxdb-tasks.mjs");
    const database = await createRxDatabase({
      name: "tasks",
      storage: getRxStorageMemory(),
      multiInstance: false,
    });
    const collection = (await database.addCollections({ tasks })).tasks;
    replicate(collection);
    return {
      add: (row) => collection.insert(row),
      edit: async (name, fields) => (await collection.findOne(name).exec()).patch(fields),
      remove: async (name) => (await collection.findOne(name).exec()).remove(),
      list: async () => (await collection.find().exec()).map((document) => document.toJSON()),
    };
  },

  async tanstack() {
    const { createCollection } = await import("@tanstack/db");
    const { tasksOptions } = await import("./tanstack-tasks.mjs");
    const collection = createCollection(tasksOptions());
    collection.subscribeChanges(() => {});
    return {
      add: (row) => void collection.insert(row),
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

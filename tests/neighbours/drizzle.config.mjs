export default {
  dialect: "postgresql",
  schema: "./schema.mjs",
  schemaFilter: ["public"], // not taskapi, where the tasks are
  dbCredentials: { url: process.env.DATABASE_URL },
};

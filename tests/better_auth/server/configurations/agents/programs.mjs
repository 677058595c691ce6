import { auth, tasks } from "./auth.mjs";

/** Register a program, and link it to the API. `headers` are those of an operator's request. */
export async function registerProgram(headers, program) {
  const client = await auth.api.adminCreateOAuthClient({ headers, body: program });
  const params = { identifier: tasks, client_id: client.client_id };
  await auth.api.adminLinkClientResource({ headers, params });
  return client;
}

/** The programs that a user has let in. */
export async function programsOf(userId) {
  const { adapter } = await auth.$context;
  return adapter.findMany({ model: "oauthConsent", where: [{ field: "userId", value: userId }] });
}

/** Show a program out: it gets no new token, and its last one ends within accessTokenExpiresIn. */
export async function disconnect(userId, clientId) {
  const { adapter } = await auth.$context;
  const where = [
    { field: "userId", value: userId },
    { field: "clientId", value: clientId },
  ];
  await adapter.deleteMany({ model: "oauthRefreshToken", where });
  await adapter.deleteMany({ model: "oauthConsent", where });
}

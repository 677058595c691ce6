const EARLY = 60_000; // milliseconds before its end at which a token is replaced

/** A refusal of the API; `code` is for programs, the message for people. */
export class TasksApiError extends Error {
  constructor(status, { detail, code, request_id: requestId }) {
    super(typeof detail === "string" ? detail : "The request breaks a rule.");
    Object.assign(this, { status, code, detail, requestId });
  }
}

/** The tasks of whoever is signed in. `url` is the origin of the API. */
export function createTasksApi({ authClient, url }) {
  let kept = { until: 0 };

  /** Token and user; calls that start together wait for one fetch. */
  function credentials() {
    if (Date.now() >= kept.until) {
      const fetched = (kept = { until: Infinity });
      fetched.credentials = fetchCredentials().then(
        ({ lifetime, ...credentials }) => {
          fetched.until = Date.now() + lifetime - EARLY;
          return credentials;
        },
        (error) => {
          fetched.until = 0;
          throw error;
        },
      );
    }
    return kept.credentials;
  }

  async function fetchCredentials() {
    const { data, error } = await authClient.token();
    if (error) {
      throw new TasksApiError(error.status, { detail: "No token: sign in.", code: "signed_out" });
    }
    const { sub, iat, exp } = claimsOf(data.token);
    // A length of time, because the clock of this machine may be wrong.
    return { token: data.token, user: sub, lifetime: (exp - iat) * 1000 };
  }

  /** To be called on sign-out: otherwise the next user of the page acts as the last one. */
  function forget() {
    kept = { until: 0 };
  }

  async function call(method, path, body) {
    const used = await credentials();
    let response = await send(used, method, path, body);
    if (response.status === 401) {
      // A refused call has done nothing, so it is safe to repeat it with a new token, once.
      if ((await credentials()) === used) forget();
      response = await send(await credentials(), method, path, body);
    }
    const answer = response.status === 204 ? null : await response.json();
    if (!response.ok) throw new TasksApiError(response.status, answer);
    return answer;
  }

  function send({ token, user }, method, path, body) {
    const headers = { Authorization: `Bearer ${token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    return fetch(`${url}/api/${encodeURIComponent(user)}/tasks${path}`, {
      method,
      headers,
      body: JSON.stringify(body),
    });
  }

  return {
    forget,
    list: (query = {}) => call("GET", `?${new URLSearchParams(query)}`),
    create: (title, description = "") => call("POST", "", { title, description }),
    get: (id) => call("GET", `/${id}`),
    update: (id, changes) => call("PUT", `/${id}`, changes),
    toggle: (id) => call("PATCH", `/${id}/complete`),
    complete: (id) => call("PATCH", `/${id}/complete`, { is_completed: true }),
    remove: (id) => call("DELETE", `/${id}`),
  };
}

/** What a token says. The user's name in it may come out garbled, and is not needed here. */
function claimsOf(token) {
  return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
}

// What a page of another origin does, by fetch and by the wrappers that people use.

import axios from "axios";
import ky from "ky";
import { ofetch } from "ofetch";

/** As Sentry, Datadog, OpenTelemetry and shared wrappers add them. */
const ADDED = {
  baggage: "sentry-environment=production",
  "sentry-trace": "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  tracestate: "dd=s:1",
  "x-b3-traceid": "4bf92f3577b34da6a3ce929d0e0e4736",
  "x-datadog-trace-id": "1234567890",
  "x-requested-with": "XMLHttpRequest",
};

async function shown(response, body) {
  return { status: response.status, headers: Object.fromEntries(response.headers), body };
}

/** Each sends a request with credentials, and gives status, readable headers and body. */
const WRAPPERS = {
  async fetch(url, { json, ...rest }) {
    const body = json && JSON.stringify(json);
    const response = await fetch(url, { ...rest, body, credentials: "include" });
    return shown(response, await response.text());
  },
  async axios(url, { json, ...rest }) {
    const response = await axios.request({
      ...rest,
      url,
      data: json,
      responseType: "text",
      transformResponse: (text) => text,
      withCredentials: true,
      validateStatus: () => true,
    });
    return { status: response.status, headers: response.headers.toJSON(), body: response.data };
  },
  async ky(url, rest) {
    const settings = { credentials: "include", retry: 0, throwHttpErrors: false };
    const response = await ky(url, { ...rest, ...settings });
    return shown(response, await response.text());
  },
  async ofetch(url, { json, ...rest }) {
    const settings = { credentials: "include", ignoreResponseError: true, responseType: "text" };
    const response = await ofetch.raw(url, { ...rest, body: json, retry: 0, ...settings });
    return shown(response, response._data);
  },
};

export const NAMES = Object.keys(WRAPPERS);

/** A request; what a page can read of its response, or how it failed. */
export async function call(name, method, url, token, { headers = {}, json } = {}) {
  const kind = json ? { "content-type": "application/json" } : {};
  const all = { authorization: `Bearer ${token}`, ...kind, ...ADDED, ...headers };
  try {
    return await WRAPPERS[name](url, { method, headers: all, json });
  } catch (error) {
    return { failed: String(error) };
  }
}

/** The first part of an event stream, which is then closed. */
export async function listen(url, token) {
  const ended = new AbortController();
  const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream", ...ADDED };
  const response = await fetch(url, { headers, credentials: "include", signal: ended.signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("event: ready")) text += (await reader.read()).value;
  ended.abort();
  return text;
}

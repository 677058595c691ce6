// The reader of event streams, which the network may cut at any byte.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventParser } from "../dist/events.js";

const STREAM = [
  "\uFEFFretry: 2000\n\n",
  ":\n\n",
  'event: changes\nid: 1\ndata: {"title": "Zoë 🦊"}\n\n',
  "event: changes\r\ndata: one\r\ndata:two\r\n\r\n",
  "data\rdata:  three\r\r",
  "event: nothing\n\n",
  "event: expired\ndata: {}\n\n",
  "event: cut\ndata: never complete\n",
].join("");

const EVENTS = [
  { type: "changes", data: '{"title": "Zoë 🦊"}' },
  { type: "changes", data: "one\ntwo" },
  { type: "message", data: "\n three" },
  { type: "expired", data: "{}" },
];

const bytes = new TextEncoder().encode(STREAM);

function read(...ends) {
  const parser = new EventParser();
  const starts = [0, ...ends];
  return starts.flatMap((start, index) => [...parser.read(bytes.subarray(start, ends[index]))]);
}

test("a stream that comes in one piece", () => assert.deepEqual(read(), EVENTS));

test("a stream that is cut at any two bytes", () => {
  for (let first = 0; first <= bytes.length; first += 1) {
    for (let second = first; second <= bytes.length; second += 1) {
      assert.deepEqual(read(first, second), EVENTS, `${first} ${second}`);
    }
  }
});

test("a stream that comes byte by byte", () => {
  assert.deepEqual(read(...bytes.keys()), EVENTS);
});

test("a long line in small pieces takes no longer than it is", () => {
  const parser = new EventParser();
  const piece = new Uint8Array(16).fill(0x78);
  [...parser.read(new TextEncoder().encode("data: "))];
  for (let count = 0; count < 2 ** 18; count += 1) [...parser.read(piece)];
  const [{ data }] = parser.read(new TextEncoder().encode("\n\n"));
  assert.equal(data.length, 2 ** 22);
});

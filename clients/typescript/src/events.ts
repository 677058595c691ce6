/** The format of server-sent events (WHATWG HTML, 9.2.6). */

/** One event of a stream. */
export interface ServerEvent {
  readonly type: string;
  readonly data: string;
}

/** Reads events out of bytes, wherever the network has cut them. */
export class EventParser {
  readonly #decoder = new TextDecoder(); // which takes a byte order mark away
  #line = "";
  #afterReturn = false;
  #type = "";
  #data: string[] = [];

  /** The events that end in these bytes. */
  *read(bytes: Uint8Array): Generator<ServerEvent, void, undefined> {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return;
    // Of a line's end that was cut: the return was the end.
    if (this.#afterReturn && text.startsWith("\n")) text = text.slice(1);
    this.#afterReturn = text.endsWith("\r");
    const [first = "", ...others] = text.split(/\r\n|\n|\r/);
    this.#line += first;
    for (const next of others) {
      const event = this.#take(this.#line);
      this.#line = next;
      if (event) yield event;
    }
  }

  #take(line: string): ServerEvent | undefined {
    if (line === "") return this.#dispatch();
    const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === "event") this.#type = value;
    if (name === "data") this.#data.push(value);
    return undefined; // the id is `next` in the data, and the pause after a cut is this client's own
  }

  #dispatch(): ServerEvent | undefined {
    const event = { type: this.#type || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#type = "";
    this.#data = [];
    return isEmpty ? undefined : event;
  }
}

// The live events, read with fetch: unlike EventSource it tells when it is cut off and takes every
// event whatever its name.

const PAUSE_FIRST_MS = 500;
const PAUSE_MAX_MS = 10_000;
// The server says something at least every 15 s.
const SILENCE_MAX_MS = 40_000;

/** Follows the events behind a position until the page goes away. */
export class Events {
  #last;
  #onEvent;
  #onState;
  #abort = new AbortController();

  constructor({ after, onEvent, onState }) {
    this.#last = after;
    this.#onEvent = onEvent;
    this.#onState = onState;
    this.#run();
  }

  /** The position of the last event. */
  get last() {
    return this.#last;
  }

  /** Goes on behind another position, such as 0 when the journal is a new one. */
  restart(after) {
    this.#last = after;
    this.#abort.abort();
  }

  async #run() {
    let pause = PAUSE_FIRST_MS;
    for (;;) {
      this.#abort = new AbortController();
      try {
        await this.#read(() => {
          pause = PAUSE_FIRST_MS;
          this.#onState("live");
        });
      } catch {
        // Cut off, refused or restarted: all the same, it begins again below.
      }
      this.#onState("reconnecting");
      await new Promise((wake) => setTimeout(wake, pause));
      pause = Math.min(pause * 2, PAUSE_MAX_MS);
    }
  }

  async #read(opened) {
    const abort = this.#abort;
    let alarm = setTimeout(() => abort.abort(), SILENCE_MAX_MS);
    try {
      const answer = await fetch("/api/v1/events", {
        headers: { "Last-Event-ID": String(this.#last) },
        cache: "no-store",
        signal: abort.signal,
      });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      opened();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        clearTimeout(alarm);
        alarm = setTimeout(() => abort.abort(), SILENCE_MAX_MS);
        text += value;
        const blocks = text.split("\n\n");
        text = blocks.pop();
        for (const block of blocks) this.#take(block);
      }
    } finally {
      clearTimeout(alarm);
    }
  }

  #take(block) {
    let name = "message";
    const data = [];
    for (const line of block.split("\n")) {
      const [, field, value] = /^([a-z]+): ?(.*)$/s.exec(line) ?? [];
      if (field === "event") name = value;
      if (field === "data") data.push(value);
    }
    if (data.length === 0) return;
    const event = JSON.parse(data.join("\n"));
    this.#last = event.position;
    this.#onEvent(name, event);
  }
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { doing, seen, share, span, title } from "../format.js";

test("numbers are shown as people read them", () => {
  const shown = (value, unit) => seen({ value, unit, level: "ok" });
  assert.equal(shown(93.456, "percent"), "93.5 %");
  assert.equal(shown(1_536_000, "bytes_per_second"), "1.5 MB/s");
  assert.equal(shown(12.3, "megabytes"), "12.3 MB");
  assert.equal(shown(12_340, "milliseconds"), "12.3 s");
  assert.equal(shown(0, "count"), "0");
  assert.equal(seen({ status: "stopped", level: "critical" }), "stopped");
  assert.equal(seen({ unknown: "응답 없음", level: "unknown" }), "unknown: 응답 없음");
});

test("spans have their two largest parts", () => {
  assert.deepEqual([-5, 0, 61_000, 7_500_000, 90_000_000, 3_600_000].map(span),
    ["0 s", "0 s", "1 min 1 s", "2 h 5 min", "1 d 1 h", "1 h"]);
});

test("a share is only whole where nothing is missing", () => {
  assert.deepEqual([1, 0.9999, 2 / 3, 0].map(share), ["100 %", "99.9 %", "66.6 %", "0 %"]);
});

test("metrics and incidents are named in words", () => {
  assert.equal(title({ metric: "disk_usage", resource: "/var" }), "Disk /var");
  assert.equal(title({ metric: "큐_길이", resource: null }), "큐_길이");
  assert.equal(doing({ state: "resolving", playbook: "process_down", attempts: 1 }), "process_down is at work, attempt 1");
  assert.equal(doing({ state: "resolved", verified: false, reason: "its source no longer repeats it" }),
    "not proven: its source no longer repeats it");
});

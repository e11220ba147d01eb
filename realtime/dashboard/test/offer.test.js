import assert from "node:assert/strict";
import { test } from "node:test";

import { atLeast, bars, blocks, finder, freeCpus, freeGpus, label, ladder, offer, prefixLength, saying, sentence, tally } from "../src/offer.js";

const node = (fields) => ({ name: "n1", state: "free", totalCpus: 112, usedCpus: 60, totalGpus: 8, usedGpus: 5, jobCount: 2, ...fields });
const without = (fields, ...names) => Object.fromEntries(Object.entries(node(fields)).filter(([name]) => !names.includes(name)));

test("a node is shown as what it offers, whatever PBS calls it", () => {
  assert.equal(offer(node({})), "room");
  assert.equal(offer(node({ usedGpus: 8 })), "full");
  assert.equal(offer(node({ usedCpus: 112 })), "full");
  assert.equal(offer(node({ totalGpus: 0, usedGpus: 0 })), "room");
  assert.equal(offer(node({ state: "busy" })), "full");
  assert.equal(offer(node({ state: "offline" })), "offline");
  assert.equal(offer(node({ state: "down" })), "down");
  assert.equal(offer(node({ state: "unknown" })), "unknown");
  assert.equal(offer(node({ state: "of a later version" })), "unknown");
});

test("a node that does not tell what it has is not full for that", () => {
  assert.equal(offer({ name: "n1", state: "free" }), "room");
  assert.equal(freeGpus({ name: "n1", state: "free" }), undefined);
  assert.equal(saying({ name: "n1", state: "free" }), "room");
  assert.equal(freeGpus(without({}, "usedGpus")), undefined);
  assert.equal(saying(without({}, "usedGpus")), "room");
});

test("free is what a job can have", () => {
  assert.equal(freeGpus(node({})), 3);
  assert.equal(freeGpus(node({ usedCpus: 112 })), 0);
  assert.equal(freeGpus(node({ state: "busy" })), 0);
  assert.equal(freeGpus(node({ usedGpus: 9 })), 0);
  assert.equal(freeCpus(node({})), 52);
  assert.equal(freeCpus(node({ usedGpus: 8 })), 52);
  assert.equal(freeCpus(node({ state: "offline" })), 0);
});

test("every GPU is drawn once: in use, free, lost, or untold", () => {
  const drawn = ({ used, free, lost, untold }) => [used, free, lost, untold];
  assert.deepEqual(drawn(bars(node({}))), [5, 3, 0, 0]);
  assert.deepEqual(drawn(bars(node({ usedCpus: 112 }))), [5, 0, 3, 0]);
  assert.deepEqual(drawn(bars(node({ state: "down" }))), [5, 0, 3, 0]);
  assert.deepEqual(drawn(bars(node({ usedGpus: 11 }))), [8, 0, 0, 0]);
  assert.deepEqual(drawn(bars(without({}, "usedGpus"))), [0, 0, 0, 8]);
  assert.equal(bars(node({})).unit, "GPU");
});

test("a node without GPUs is drawn by its CPUs", () => {
  assert.deepEqual(bars(node({ totalGpus: 0, usedGpus: 0 })), { unit: "CPU", total: 112, used: 60, free: 52, lost: 0, untold: 0 });
  assert.equal(saying(node({ totalGpus: 0 })), "52 CPUs free");
  assert.equal(bars({ name: "n1", state: "down" }).unit, undefined);
});

test("a tile says in words what its colour and glyph say", () => {
  assert.equal(saying(node({ usedGpus: 7 })), "1 GPU free");
  assert.equal(saying(node({ state: "busy", jobCount: 1 })), "full, 1 job");
  assert.equal(saying(node({ state: "busy", jobCount: 0 })), "full");
  assert.equal(saying(node({ state: "offline", jobCount: 3 })), "offline, 3 jobs");
  assert.equal(saying(node({ state: "down", jobCount: undefined })), "down");
  assert.equal(sentence(node({})), "n1: 3 GPUs free, of 8, 2 jobs");
  assert.equal(sentence(node({ state: "busy", stateInferred: true })), "n1: full, 2 jobs, state inferred");
});

test("the tally counts what jobs can have, and apart from it what none can", () => {
  const found = tally([
    node({ name: "a" }),
    node({ name: "b", usedGpus: 0, usedCpus: 0, jobCount: 0, stateDetail: "idle" }),
    node({ name: "c", state: "busy", stateInferred: true }),
    node({ name: "d", state: "down" }),
    node({ name: "e", totalGpus: 0, usedGpus: 0 }),
    without({ name: "f" }, "usedGpus"),
  ]);
  assert.deepEqual(
    [found.total, found.room, found.full, found.down, found.idle, found.inferred, found.lost, found.untold, found.largest, found.unit],
    [6, 4, 1, 1, 1, 1, 3, 1, 8, "GPU"],
  );
  assert.deepEqual(blocks(found.free), { most: 8, on: 1, all: 11 });
  assert.deepEqual([1, 4, 8].map((least) => atLeast(found.free, least)), [2, 1, 1]);
});

test("a cluster without GPUs is tallied by its CPUs, wherever its first GPU node would stand", () => {
  const cpu = node({ totalGpus: 0, usedGpus: 0 });
  assert.deepEqual(blocks(tally([cpu, { ...cpu }]).free), { most: 52, on: 2, all: 104 });
  assert.equal(tally([cpu, { ...cpu }]).unit, "CPU");
  assert.deepEqual(blocks(tally([cpu, node({})]).free), { most: 3, on: 1, all: 3 });
  assert.deepEqual(blocks(tally([]).free), { most: 0, on: 0, all: 0 });
  assert.deepEqual(blocks(tally([node({ state: "down" })]).free), { most: 0, on: 0, all: 0 });
});

test("jobs are asked for in a few sizes, up to the largest node", () => {
  assert.deepEqual(ladder(8), [1, 2, 4, 8]);
  assert.deepEqual(ladder(4), [1, 2, 4]);
  assert.deepEqual(ladder(1), [1]);
  assert.deepEqual(ladder(0), []);
  assert.deepEqual(ladder(112), [1, 4, 16, 64, 112]);
  assert.deepEqual(ladder(10), [1, 2, 4, 10]);
});

test("what all names begin with is left out, and numbers stay whole", () => {
  const short = (...names) => names.map((name) => name.slice(prefixLength(names)));
  assert.deepEqual(short("hopper-01", "hopper-02"), ["01", "02"]);
  assert.deepEqual(short("n1", "n12", "n120"), ["1", "12", "120"]);
  assert.deepEqual(short("cn-10", "cn-11"), ["10", "11"]);
  assert.deepEqual(short("gpu-a1", "gpu-b2"), ["a1", "b2"]);
  assert.deepEqual(short("node", "nodule"), ["node", "nodule"]);
  assert.deepEqual(short("gn", "gn-01"), ["gn", "gn-01"]);
  assert.deepEqual(short("alone-01"), ["alone-01"]);
  assert.deepEqual(short("a", "b"), ["a", "b"]);
  assert.equal(prefixLength([]), 0);
});

test("a long name is cut in its middle", () => {
  assert.equal(label("hopper-07", 7), "07");
  assert.equal(label("gpu-accelerated-rack11-slot4", 0), "gpu-ac…ack11-slot4");
  assert.equal(label("gpu-accelerated-rack11-slot4", 0).length, 18);
});

test("nodes are found by parts of their names and by globs", () => {
  const found = (typed) => ["hopper-01", "hopper-12", "gn-01"].filter(finder(typed));
  assert.deepEqual(found(""), ["hopper-01", "hopper-12", "gn-01"]);
  assert.deepEqual(found("-01"), ["hopper-01", "gn-01"]);
  assert.deepEqual(found("HOP"), ["hopper-01", "hopper-12"]);
  assert.deepEqual(found("*-0?"), ["hopper-01", "gn-01"]);
  assert.deepEqual(found("gn, 12"), ["hopper-12", "gn-01"]);
  assert.deepEqual(found("hopper.01"), []);
  assert.deepEqual(found("(*"), []);
});

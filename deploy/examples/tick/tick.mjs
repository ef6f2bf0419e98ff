// Ticks a counter in a store that checks tokens, only while this pod leads: node tick.mjs. Node.js 18 or newer.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const SIDECAR = process.env.LEADER_SIDECAR_URL ?? "http://localhost:4040";
const STORE = process.env.STORE_URL ?? "http://localhost:8080";
const TICK_MS = 500; // what a tick may take: none is started when less of the lead is left
const PAUSE_MS = 200;

let stopping = false;
process.on("SIGTERM", () => (stopping = true));

// Milliseconds of CLOCK_BOOTTIME, which counts suspend; performance.now() does not.
function now() {
  return Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
}

// Status and body; 0 when no answer came.
async function ask(url, { method = "GET", timeout = 1000, untilTerm = false } = {}) {
  const attempt = new AbortController();
  const giveUp = () => attempt.abort();
  const timer = setTimeout(giveUp, timeout); // AbortSignal.timeout() would not keep Node.js running
  if (untilTerm) process.once("SIGTERM", giveUp);
  try {
    const answer = await fetch(url, { method, signal: attempt.signal });
    return { status: answer.status, body: await answer.text() };
  } catch {
    return { status: 0, body: "" };
  } finally {
    clearTimeout(timer);
    process.off("SIGTERM", giveUp);
  }
}

async function tick(token) {
  const { status, body } = await ask(`${STORE}/tick?token=${token}`, { method: "POST", timeout: TICK_MS });
  console.log(`token ${token}: ${status || "no answer"} ${body}`);
}

while (!stopping) {
  const sent = now(); // validity counts from here, however late the answer is read
  const { status, body } = await ask(`${SIDECAR}/leader`);
  const leader = JSON.parse(body || "{}");
  if (status === 200 && now() + TICK_MS < sent + leader.valid_for_ms) {
    await tick(leader.token); // a pause right here is what the token is for
  }
  if (status === 503 && !stopping) {
    // a follower waits here until something changes
    await ask(`${SIDECAR}/leader?wait=30&since=${leader.version}`, { timeout: 35_000, untilTerm: true });
  } else {
    await sleep(PAUSE_MS);
  }
}
await ask(`${SIDECAR}/resign`, { method: "POST" }); // nothing is under way any more: the next one need not wait

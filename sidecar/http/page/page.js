"use strict";
// Keeps the page up to date: the stream says when, and the page itself, asked for again, says what. So all that is shown
// was made, and escaped, in one place.
(() => {
  const SILENT_MS = 10000; // the stream has a heartbeat at least every 5 s
  const AGAIN_MS = 3000;
  const part = (id) => document.getElementById(id);
  const trouble = part("trouble"), pause = part("pause");
  if (!pause) return; // the page that asks before it resigns stands still

  let stream = null, heard = performance.now(), asking = false, again = false;
  let taken = 0; // the first render was asked for when this page's clock began

  // What is shown counts from when it was asked for, as with /leader: never later than it was true.
  const take = (fresh, asked) => {
    document.title = fresh.title;
    for (const old of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(old.id);
      if (!next || next.innerHTML === old.innerHTML) continue;
      const held = old.contains(document.activeElement);
      old.innerHTML = next.innerHTML;
      if (held) (old.querySelector("button, a, [tabindex]") || part("top")).focus();
    }
    taken = asked;
  };

  const refresh = async () => {
    if (asking) { again = true; return; }
    asking = true;
    do {
      again = false;
      const asked = performance.now();
      try {
        const answer = await fetch("/", { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(SILENT_MS) });
        const text = await answer.text();
        if (answer.ok && stream) take(new DOMParser().parseFromString(text, "text/html"), asked);
      } catch { /* the stream will tell, or its silence */ }
    } while (again);
    asking = false;
  };

  const listen = () => {
    if (!stream) return;
    stream.close();
    stream = new EventSource("/leader/watch");
    const event = () => { heard = performance.now(); if (!document.hidden) refresh(); };
    stream.addEventListener("state", event);
    stream.addEventListener("heartbeat", event);
    const mine = stream;
    stream.onerror = () => {
      if (mine === stream && mine.readyState === EventSource.CLOSED) setTimeout(() => mine === stream && listen(), AGAIN_MS);
    };
  };

  const say = (text) => {
    if (trouble.textContent === text) return;
    trouble.textContent = text;
    trouble.hidden = !text;
  };

  const tick = () => {
    const timer = part("validity");
    if (timer) {
      const left = Number(timer.dataset.ms) - (performance.now() - taken);
      timer.textContent = left > 0 ? (left / 1000).toFixed(1) + " s" : "over, as far as this page knows";
    }
    if (!stream) say("Updates are paused: what stands here may be over.");
    else if (performance.now() - heard > SILENT_MS) say("The sidecar is silent: what stands here may be over.");
    else say("");
  };

  const resume = () => {
    stream = { close() {} };
    heard = performance.now();
    listen();
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    if (stream) { stream.close(); stream = null; } else resume();
    pause.setAttribute("aria-pressed", String(!stream));
    tick();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && stream) refresh(); });
  resume();
  setInterval(tick, 200);
})();

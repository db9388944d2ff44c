// Follows a job: new log lines from the event stream, the moving part of the page fetched when something moved.
// EventSource by itself gives up after a 502, so it is always opened again here, from the last event on.
(() => {
  "use strict";
  const follow = document.getElementById("follow");
  if (!follow) return;
  const log = document.getElementById("log");
  const status = document.createElement("p");
  status.className = "soft live-status";
  document.getElementById("status").append(status);
  const WAIT = 2000, SILENT = 40000, PART = 700;
  let after = Number(follow.dataset.after), source, heard = Date.now(), over = false, failures = 0;
  let fetching = false, asked = "";

  function say(text) { if (status.textContent !== text) status.textContent = text; }

  function signedOut() {
    over = true;
    if (source) source.close();
    const here = encodeURIComponent(location.pathname + location.search);
    const link = Object.assign(document.createElement("a"), { href: `${follow.dataset.signIn}?next=${here}`, textContent: "Sign in" });
    status.replaceChildren("Signed out; the job runs on the server. ", link);
  }

  // Whole parts only, and a part with buttons only when its version changed: a click is never swapped away.
  async function part(url = follow.dataset.partUrl) {
    if (fetching) { asked = over ? location.href : url; return; }
    fetching = true;
    try {
      const answer = await fetch(url, { headers: { Accept: "text/html" } });
      if (answer.status === 401 || answer.redirected) return signedOut();
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const now of page.querySelectorAll("[data-part]")) {
        const then = document.getElementById(now.id);
        if (then && !(now.dataset.part && now.dataset.part === then.dataset.part)) then.replaceWith(document.adoptNode(now));
      }
    } catch { /* the server is away: the stream says so, and asks again */ } finally {
      setTimeout(() => { fetching = false; if (asked) { url = asked; asked = ""; part(url); } }, PART);
    }
  }

  function told(event) {
    heard = Date.now();
    failures = 0;
    say("");
    if (!event.lastEventId || Number(event.lastEventId) <= after) return;
    after = Number(event.lastEventId);
    const { html } = JSON.parse(event.data);
    if (html && log) log.insertAdjacentHTML("afterbegin", html);
    part();
  }

  function open() {
    if (over) return;
    heard = Date.now();
    source = new EventSource(`${follow.dataset.stream}?after=${after}`);
    for (const kind of ["line", "state", "phase", "count"]) source.addEventListener(kind, told);
    source.addEventListener("ping", () => { heard = Date.now(); failures = 0; say(""); part(); });
    source.addEventListener("signed-out", signedOut);
    source.addEventListener("end", async () => {
      over = true;
      source.close();
      say("The job is over.");
      if (follow.dataset.reload) location.reload();
      else part(location.href); // the whole page once more: its users have their outcomes now
    });
    source.onopen = () => { failures = 0; say(""); };
    source.onerror = () => {
      source.close();
      if (over) return;
      failures += 1;
      if (failures > 1) say("Reconnecting. The job runs on the server.");
      part();
      setTimeout(open, WAIT);
    };
  }

  setInterval(() => {
    if (over || Date.now() - heard < SILENT) return;
    say("Live updates are slow. The job runs on the server.");
    source.close();
    open();
  }, 5000);
  open();
})();

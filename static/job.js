// Follows a job: new log lines from the event stream, the moving part of the page fetched when something moved.
// EventSource by itself gives up after a 502, so it is always opened again here, from the last event on.
(() => {
  "use strict";
  const follow = document.getElementById("follow");
  if (!follow) return;
  const log = document.getElementById("log");
  const status = Object.assign(document.createElement("p"), { className: "soft live-status" });
  document.getElementById("status").append(status);
  const WAIT = 2000, SILENT = 40000, PART = 700;
  let after = Number(follow.dataset.after), source, heard = Date.now(), failures = 0, over = false;
  let away = {}; // of what the stream stands on: the bell, the database
  let fetching = false, again = false, opening;

  function say(text) { if (status.textContent !== text) status.textContent = text; }

  function show() {
    if (over) return;
    if (failures > 1) say("Reconnecting. The job runs on the server.");
    else if (away.database) say("The database does not answer. Nothing is lost; this page goes on when it does.");
    else if (away.bell) say("Live updates are slow. The job runs on the server.");
    else say("");
  }

  function signedOut() {
    over = true;
    source.close();
    const here = encodeURIComponent(location.pathname + location.search);
    const link = Object.assign(document.createElement("a"), { href: `${follow.dataset.signIn}?next=${here}`, textContent: "Sign in" });
    status.className = "soft live-status";
    status.replaceChildren("Signed out; the job runs on the server. ", link);
  }

  // Whole parts as the server draws them, so what goes back is drawn like what goes on; and a part with
  // buttons only when its version changed: a click is never swapped away. False when the server is away.
  async function draw() {
    try {
      const answer = await fetch(over ? location.href : follow.dataset.partUrl, { headers: { Accept: "text/html" } });
      if (answer.status === 401 || answer.redirected) signedOut();
      else if (!answer.ok) return false;
      else if (over && follow.dataset.reload) location.reload();
      else {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const now of page.querySelectorAll("[data-part]")) {
          const then = document.getElementById(now.id);
          if (!then || (now.dataset.part && now.dataset.part === then.dataset.part)) continue;
          window.keepFocus(then, () => { then.replaceWith(document.adoptNode(now)); return now; });
        }
      }
      return true;
    } catch { return false; }
  }

  // One at a time. While the job runs the next event asks again; at its end the page does, until it is whole.
  async function part() {
    if (fetching) { again = true; return; }
    fetching = true;
    again = false;
    const missed = !(await draw()) && over;
    setTimeout(() => { fetching = false; if (again || missed) part(); }, missed ? WAIT : PART);
  }

  function alive() {
    heard = Date.now();
    failures = 0;
    show();
  }

  function told(event) {
    alive();
    if (!(Number(event.lastEventId) > after)) return;
    after = Number(event.lastEventId);
    const { html } = JSON.parse(event.data);
    if (html && log) log.insertAdjacentHTML("afterbegin", html);
    part();
  }

  function open() {
    if (over) return;
    heard = Date.now();
    away = {};
    source = new EventSource(`${follow.dataset.stream}?after=${after}`);
    for (const kind of ["line", "state", "phase", "count"]) source.addEventListener(kind, told);
    for (const what of ["bell", "database"]) {
      source.addEventListener(what, (event) => {
        away[what] = !JSON.parse(event.data).live;
        alive();
        if (!away[what]) part();
      });
    }
    source.addEventListener("ping", () => { alive(); part(); });
    source.addEventListener("signed-out", signedOut);
    source.addEventListener("end", () => {
      status.className = "hidden"; // everybody else sees it
      say("The job is over.");
      over = true;
      source.close();
      part(); // the whole page once more: its users have their outcomes now
    });
    source.onopen = alive;
    source.onerror = () => lost(failures + 1);
  }

  function lost(times) {
    source.close();
    if (over) return;
    failures = times;
    heard = Date.now();
    show();
    part();
    clearTimeout(opening);
    opening = setTimeout(open, WAIT);
  }

  setInterval(() => { if (!over && Date.now() - heard > SILENT) lost(2); }, 5000);
  open();
})();

// Keeps a live run's page up to date. Every word from the server goes in as textContent: nothing of it becomes markup.
"use strict";

(() => {
  const article = document.querySelector("article[data-events]");
  if (!article) return;

  const TONES = ["plain", "quiet", "busy", "good", "bad"];
  const STATUSES = ["waiting", "running", "finished", "stopped"];
  const among = (known, word) => (known.includes(word) ? word : known[0]);
  const byId = (id) => document.getElementById(id);
  const journal = byId("journal");

  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  const show = (id, text) => {
    const found = byId(id);
    if (found && found.textContent !== text) found.textContent = text;
  };

  const addLine = (line) => {
    const row = element("li", undefined, among(TONES, line.tone));
    const time = element("time", line.clock);
    time.dateTime = line.at;
    const body = element("div");
    body.append(element("span", line.text, "text"));
    if (line.cost) body.append(" ", element("span", line.cost, "soft"));
    if (line.details.length) {
      const list = element("ul");
      list.append(...line.details.map((detail) => element("li", detail)));
      body.append(list);
    }
    row.append(time, body);
    const atEnd = window.innerHeight + window.scrollY >= document.body.offsetHeight - 80;
    journal.append(row);
    if (atEnd) row.scrollIntoView({ block: "nearest" });
  };

  const showStage = (stage) => {
    const row = [...document.querySelectorAll("[data-stage]")].find((found) => found.dataset.stage === stage.name);
    if (!row) return;
    row.className = among(STATUSES, stage.status);
    if (stage.since) row.dataset.since = stage.since;
    else delete row.dataset.since;
    row.querySelector(".took").textContent = stage.took || stage.status;
    tick();
  };

  const showRun = (run) => {
    show("state", run.state);
    byId("state").className = "badge " + among(TONES, run.tone);
    show("cost", run.cost);
    if (run.fixer) show("fixer", run.fixer);
    run.stages.forEach(showStage);
  };

  const tick = () => {
    for (const row of document.querySelectorAll("[data-since]")) {
      const seconds = Math.max(0, Math.round((Date.now() - Date.parse(row.dataset.since)) / 1000));
      row.querySelector(".took").textContent = seconds + " s";
    }
  };

  const events = new EventSource(article.dataset.events);
  const live = (text) => show("live", text);
  events.addEventListener("line", (event) => addLine(JSON.parse(event.data)));
  events.addEventListener("run", (event) => showRun(JSON.parse(event.data)));
  events.addEventListener("end", () => {
    events.close();
    clearInterval(ticking);
    // The patch, the proof and the reason are drawn by the server: one reload shows them.
    window.location.reload();
  });
  events.addEventListener("open", () => live("live"));
  events.addEventListener("error", () => live("reconnecting"));
  const ticking = setInterval(tick, 1000);
  tick();
})();

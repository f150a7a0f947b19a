// Comfort for the keyboard and the clipboard. Every page works without it.
"use strict";

const typing = (element) => element.closest("input, textarea, select, [contenteditable]");

function move(step) {
  const rows = [...document.querySelectorAll("[data-rows] a.row")];
  const at = rows.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step;
  rows[Math.max(0, Math.min(rows.length - 1, next))]?.focus({ focusVisible: true });
}

function search() {
  const field = document.querySelector("[data-search]");
  if (field) {
    field.focus();
    field.select();
  } else {
    location.assign("/console/requests#q");
  }
}

function toggle() {
  const time = document.getElementById("time");
  const messages = document.getElementById("messages");
  const next = document.activeElement === messages ? time : messages;
  next?.focus();
  next?.scrollIntoView({ block: "start" });
}

const KEYS = {
  "/": search,
  j: () => move(1),
  k: () => move(-1),
  t: toggle,
  "?": () => document.getElementById("help")?.togglePopover(),
};

document.addEventListener("keydown", (event) => {
  const button = document.querySelector(`[data-press="${CSS.escape(event.key)}"]`);
  const act = button ? () => event.repeat || button.click() : KEYS[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  event.preventDefault();
  act();
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const word = button.querySelector("span");
    await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent);
    word.textContent = "Copied";
    setTimeout(() => (word.textContent = "Copy"), 2000);
  });
}

if (location.hash === "#q") search();

const live = document.getElementById("live");
if (live) {
  document.documentElement.classList.add("live");
  const mark = (lost) => document.documentElement.classList.toggle("lost", lost);
  const pause = document.querySelector("[data-pause]");
  const paused = () => pause?.getAttribute("aria-pressed") === "true";
  if (pause) {
    pause.hidden = false;
    pause.addEventListener("click", () => {
      pause.setAttribute("aria-pressed", String(!paused()));
      pause.textContent = paused() ? "Go on" : "Pause";
    });
  }
  // nobody looks at a hidden page, so it asks for nothing
  live.addEventListener("htmx:before:request", (event) => (document.hidden || paused()) && event.preventDefault());
  live.addEventListener("htmx:after:request", () => mark(false));
  live.addEventListener("htmx:response:error", () => mark(true));
  live.addEventListener("htmx:error", () => mark(true));
}

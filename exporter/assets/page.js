// Keeps a page up to date. It asks the API every few seconds whether anything has changed, and if so takes the new page
// and puts its live parts in place of those that are there; so what a page looks like is said once, by the exporter.
"use strict";

const EVERY = 5000;
const gone = document.getElementById("gone");
const choose = document.getElementById("choose");
let tag = null;
let answered = new Date();
let asking = 0; // the number of the newest question; answers to older ones come too late

async function ask() {
  const number = ++asking;
  const known = tag ? { "If-None-Match": tag } : {};
  try {
    const answer = await fetch(document.body.dataset.api, { method: "HEAD", headers: known, cache: "no-store" });
    if (answer.status === 404) location.assign("/"); // the zone is forgotten
    if (!answer.ok && answer.status !== 304) throw new Error(`${answer.status} ${answer.statusText}`);
    if (answer.status !== 304) {
      const page = await fetch(location.href, { cache: "no-store" });
      if (!page.ok) throw new Error(`${page.status} ${page.statusText}`);
      const text = await page.text();
      if (number !== asking) return;
      show(new DOMParser().parseFromString(text, "text/html"));
      tag = answer.headers.get("ETag");
    }
    answered = new Date();
    gone.hidden = true;
  } catch (error) {
    if (number !== asking) return;
    gone.textContent = `The exporter has not answered since ${answered.toLocaleTimeString()} (${error.message}). What is shown is of then.`;
    gone.hidden = false;
  }
}

function show(page) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (!fresh) continue;
    for (const details of part.querySelectorAll("details[open]")) {
      const same = details.id && fresh.querySelector(`#${details.id}`);
      if (same) same.open = true;
    }
    const focused = part.contains(document.activeElement) && document.activeElement.getAttribute("href");
    part.replaceChildren(...document.adoptNode(fresh).childNodes);
    if (focused) part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
  if (choose) choose.hidden = page.getElementById("choose").hidden;
  document.body.dataset.api = page.body.dataset.api;
  sensed = performance.now();
}

// Ages go on while nothing changes.
let sensed = performance.now();

function age(seconds) {
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}

function grow() {
  const now = Date.parse(document.getElementById("now").dateTime) + performance.now() - sensed;
  for (const time of document.querySelectorAll("time[data-age]")) {
    time.textContent = age((now - Date.parse(time.dateTime)) / 1000);
  }
}

if (choose) {
  for (const button of choose.querySelectorAll("[data-unscripted]")) button.hidden = true;
  let waiting;
  const changed = () => {
    const asked = new URLSearchParams([...new FormData(choose)].filter(([name, value]) => value && !(name === "sort" && value === "place")));
    history.replaceState(null, "", asked.size ? `/?${asked}` : "/");
    document.body.dataset.api = `/api/v1/zones?${asked}`;
    tag = null;
    ask();
  };
  choose.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(changed, 150); });
  choose.addEventListener("submit", (event) => { event.preventDefault(); changed(); });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

setInterval(() => { if (!document.hidden) ask(); }, EVERY);
setInterval(grow, 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
ask();

// Keeps a page up to date. It asks the API every few seconds whether anything has changed, and if so takes the new page
// and makes the live parts of this one like its own; so what a page looks like is said once, by the exporter.
"use strict";

const EVERY = 5000;
const PATIENCE = 10000;
const gone = document.getElementById("gone");
const choose = document.getElementById("choose");
let tag = null;
let answered = new Date();
let asking = null; // what can end the question under way
let stopped = false;

async function ask() {
  if (asking || stopped) return;
  const mine = asking = new AbortController();
  const timer = setTimeout(() => mine.abort(new Error("no answer in time")), PATIENCE);
  // From the origin, as the address of the page may hold a name and password, which fetch does not take.
  const get = (path, options) => fetch(location.origin + path, { cache: "no-store", signal: mine.signal, ...options });
  try {
    const answer = await get(document.body.dataset.api, { method: "HEAD", headers: tag ? { "If-None-Match": tag } : {} });
    if (answer.status !== 304) {
      await expectGood(answer);
      const page = await expectGood(await get(location.pathname + location.search));
      show(new DOMParser().parseFromString(await page.text(), "text/html"));
      tag = answer.headers.get("ETag");
    }
    answered = new Date();
    tell("");
  } catch (error) {
    if (asking === mine) tell(error.told ?? `The exporter has not answered since ${answered.toLocaleTimeString()}. What is shown is of then.`);
  } finally {
    clearTimeout(timer);
    if (asking === mine) asking = null;
  }
}

function expectGood(answer) {
  if (answer.ok) return answer;
  stopped = answer.status === 401;
  const told = {
    401: "The name or password is no longer taken. Reload the page to give another.",
    404: "This zone is not known now. What is shown is from before.",
  };
  throw Object.assign(new Error(answer.statusText), { told: told[answer.status] });
}

function tell(text) {
  if (gone.textContent !== text) gone.textContent = text;
  gone.hidden = !text;
}

function show(page) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (fresh) become(part, fresh);
  }
  if (choose) choose.hidden = page.getElementById("choose").hidden;
  document.body.dataset.api = page.body.dataset.api;
  document.querySelector("[data-json]").href = page.body.dataset.api;
  shown = performance.now();
}

// Makes a node like another, but keeps what is the same, so that focus, scroll and selection stay.
function become(node, other) {
  if (node.nodeType === Node.TEXT_NODE) {
    if (node.data !== other.data) node.data = other.data;
    return;
  }
  for (const { name, value } of other.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  for (const { name } of [...node.attributes]) if (!other.hasAttribute(name) && name !== "open") node.removeAttribute(name);
  const keyed = new Map([...node.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  let at = node.firstChild;
  for (const child of [...other.childNodes]) {
    const key = child.dataset?.key;
    const same = key ? keyed.get(key) : at;
    if (same && same.nodeName === child.nodeName && same.dataset?.key === key) {
      if (same !== at) node.insertBefore(same, at);
      at = same.nextSibling;
      become(same, child);
    } else {
      node.insertBefore(child, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// Ages go on while nothing changes.
let shown = performance.now();

function age(seconds) {
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}

function grow() {
  const now = Date.parse(document.getElementById("now").dateTime) + performance.now() - shown;
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
    document.body.dataset.api = `/api/v1/spaces?${asked}`;
    tag = null;
    const before = asking;
    asking = null;
    before?.abort();
    ask();
  };
  choose.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(changed, 150); });
  choose.addEventListener("submit", (event) => { event.preventDefault(); changed(); });
}

if (navigator.clipboard) {
  document.documentElement.classList.add("copies");
  document.addEventListener("click", async ({ target }) => {
    if (!target.matches("[data-copy]")) return;
    await navigator.clipboard.writeText(target.previousElementSibling.textContent);
    target.textContent = "Copied";
    setTimeout(() => { target.textContent = "Copy"; }, 2000);
  });
}

setInterval(() => { if (!document.hidden) ask(); }, EVERY);
setInterval(grow, 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
ask();

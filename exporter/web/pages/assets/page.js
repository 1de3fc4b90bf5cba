// Keeps a page up to date. Every few seconds it asks the API whether anything has changed. If so, it fetches the page
// again and updates the live parts, so that the exporter alone knows the layout of a page.
"use strict";

const INTERVAL_MS = 5000;
const TIMEOUT_MS = 10000;
const alertBox = document.getElementById("alert");
const filters = document.getElementById("filters");
let etag = null;
let lastAnswer = new Date();
let pending = null; // the controller that can abort the present refresh
let stopped = false;

async function refresh() {
  if (pending || stopped) return;
  const controller = pending = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error("no answer in time")), TIMEOUT_MS);
  // The address of the page may have a username and password, which fetch rejects; the origin never has.
  const get = (path, options) => fetch(new URL(path, address()), { cache: "no-store", signal: controller.signal, ...options });
  try {
    const answer = await get(document.body.dataset.api, { method: "HEAD", headers: etag ? { "If-None-Match": etag } : {} });
    if (answer.status !== 304) {
      await requireOk(answer);
      const page = await requireOk(await get(address()));
      show(new DOMParser().parseFromString(await page.text(), "text/html"));
      etag = answer.headers.get("ETag");
    }
    lastAnswer = new Date();
    showAlert("");
  } catch (error) {
    if (pending === controller) {
      showAlert(error.alertText ?? `The exporter has not answered since ${lastAnswer.toLocaleTimeString()}. This page shows the state at that time.`);
    }
  } finally {
    clearTimeout(timer);
    if (pending === controller) pending = null;
  }
}

function address() {
  return location.origin + location.pathname + location.search;
}

function requireOk(answer) {
  if (answer.ok) return answer;
  stopped = answer.status === 401;
  const alertTexts = {
    401: "The name or password is no longer accepted. Reload the page to enter another.",
    404: "This place is no longer known. This page shows its last state.",
  };
  throw Object.assign(new Error(answer.statusText), { alertText: alertTexts[answer.status] });
}

function showAlert(text) {
  if (alertBox.textContent !== text) alertBox.textContent = text;
  alertBox.hidden = !text;
}

function show(page) {
  showLocalTimes(page);
  for (const part of document.querySelectorAll("[data-live]")) {
    const newPart = page.getElementById(part.id);
    if (newPart) morph(part, newPart);
  }
  if (filters) filters.hidden = page.getElementById("filters").hidden;
  document.body.dataset.api = page.body.dataset.api;
  document.querySelector("[data-json]").href = page.body.dataset.api;
  shownAt = performance.now();
}

// Turns a node into a copy of another. Unchanged nodes stay the same objects, so that focus, scroll and selection stay.
function morph(node, model) {
  if (node.nodeType === Node.TEXT_NODE) {
    if (node.data !== model.data) node.data = model.data;
    return;
  }
  // The browser sets and removes `open` when a person opens and closes a <details>.
  for (const { name, value } of model.attributes) if (node.getAttribute(name) !== value && name !== "open") node.setAttribute(name, value);
  for (const { name } of [...node.attributes]) if (!model.hasAttribute(name) && name !== "open") node.removeAttribute(name);
  const byKey = new Map([...node.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  let next = node.firstChild;
  for (const child of [...model.childNodes]) {
    const key = child.dataset?.key;
    const same = key ? byKey.get(key) : next;
    if (same && same.nodeName === child.nodeName && same.dataset?.key === key) {
      if (same !== next) node.insertBefore(same, next);
      next = same.nextSibling;
      morph(same, child);
    } else {
      node.insertBefore(child, next);
    }
  }
  while (next) {
    const surplus = next;
    next = next.nextSibling;
    surplus.remove();
  }
}

// Times are in the reader's own time zone, which they name. An exporter knows only UTC.
const zoned = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short" };
const formats = { "": zoned, hour: { ...zoned, timeZoneName: undefined }, second: { ...zoned, second: "2-digit", timeZoneName: undefined } };

function showLocalTimes(page) {
  const today = new Date(page.getElementById("now").dateTime).toDateString();
  for (const element of page.querySelectorAll("[data-clock]")) {
    const time = new Date(element.dataset.time ?? element.dateTime);
    if (isNaN(time)) continue;
    const day = time.toDateString() === today ? {} : { day: "numeric", month: "short" };
    element.textContent = time.toLocaleString(undefined, { ...formats[element.dataset.clock], ...day });
  }
  const zone = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" }).formatToParts(new Date()).find(({ type }) => type === "timeZoneName");
  for (const element of page.querySelectorAll("[data-zone]")) element.textContent = zone.value;
}

// Ages grow every second, also while nothing else changes.
let shownAt = performance.now();

function formatAge(seconds) {
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}

function updateAges() {
  const now = Date.parse(document.getElementById("now").dateTime) + performance.now() - shownAt;
  for (const time of document.querySelectorAll("time[data-age]")) {
    time.textContent = formatAge((now - Date.parse(time.dateTime)) / 1000);
  }
}

if (filters) {
  for (const button of filters.querySelectorAll("[data-without-script]")) button.hidden = true;
  let timer;
  const apply = () => {
    const query = new URLSearchParams([...new FormData(filters)].filter(([name, value]) => value && !(name === "sort" && value === "place")));
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
    document.body.dataset.api = `./api/v1/spaces?${query}`;
    etag = null;
    const superseded = pending;
    pending = null;
    superseded?.abort();
    refresh();
  };
  filters.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(apply, 150); });
  filters.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
}

if (navigator.clipboard) {
  document.documentElement.classList.add("can-copy");
  document.addEventListener("click", async ({ target }) => {
    if (!target.matches("[data-copy]")) return;
    await navigator.clipboard.writeText(target.previousElementSibling.textContent);
    target.textContent = "Copied";
    setTimeout(() => { target.textContent = "Copy"; }, 2000);
  });
}

showLocalTimes(document);
setInterval(() => { if (!document.hidden) refresh(); }, INTERVAL_MS);
setInterval(updateAges, 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
refresh();

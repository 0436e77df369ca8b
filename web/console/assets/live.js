// Shows what changed without being asked to. Without scripts everything works, on reload.
// The page carries the cursor of what it shows; a nudge says that there is more to read.
const shown = document.body.dataset;
let stream = null;
let reading = false;
let again = false;

function busy() {
  const at = document.activeElement;
  const typed = [...document.querySelectorAll("textarea, main input:not([type=hidden])")];
  return /^(INPUT|SELECT|TEXTAREA)$/.test(at?.tagName ?? "") || typed.some((field) => field.value !== field.defaultValue);
}

function concerns({ type, id, data }) {
  if (type === "inbox" || (!shown.route && !shown.stop)) return true;
  return id === shown.stop || id === shown.route || (data ?? {}).route_id === shown.route;
}

async function changed() {
  let [cursor, found, more] = [shown.cursor, false, true];
  while (more) {
    const answer = await fetch(`/console/v1/changes?cursor=${cursor}`);
    if (!answer.ok) return false;
    const told = await answer.json();
    found ||= told.reset || [...told.puts, ...told.removes].some(concerns);
    more = told.more && !found;
    cursor = told.cursor;
  }
  if (!found) shown.cursor = cursor;
  return found;
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || busy()) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.querySelector("main").replaceChildren(...fresh.querySelector("main").childNodes);
  document.querySelector("header nav").replaceWith(fresh.querySelector("header nav"));
  shown.cursor = fresh.body.dataset.cursor;
}

async function read() {
  again = reading;
  if (reading || document.hidden || busy()) return;
  reading = true;
  try {
    if (await changed()) await refresh();
  } catch {
    // No network, or the page is being left: the next nudge tries again.
  } finally {
    reading = false;
    if (again) read();
  }
}

function watch() {
  stream?.close();
  stream = document.hidden ? null : new EventSource("/console/v1/events");
  stream?.addEventListener("nudge", read);
}

document.addEventListener("visibilitychange", watch);
document.addEventListener("focusout", () => setTimeout(read));
watch();

// Shows what changed without being asked to. Without scripts everything works, on reload.
const stream = new EventSource("/console/v1/events");
let last = null;

function busy() {
  const at = document.activeElement;
  const typed = [...document.querySelectorAll("textarea, main input:not([type=hidden])")];
  return /^(INPUT|SELECT|TEXTAREA)$/.test(at?.tagName ?? "") || typed.some((field) => field.value !== field.defaultValue);
}

async function refresh() {
  if (document.hidden || busy()) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.querySelector("main").replaceChildren(...fresh.querySelector("main").childNodes);
  document.querySelector("header nav").replaceWith(fresh.querySelector("header nav"));
}

stream.addEventListener("nudge", (event) => {
  const { v } = JSON.parse(event.data);
  if (last !== null && v !== last) refresh();
  last = v;
});

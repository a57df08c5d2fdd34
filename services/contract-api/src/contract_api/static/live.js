// Keeps <main data-live> current: asks for the same page again and swaps what changed. Without it the page still works.
const main = document.querySelector("main");
const SHORT = 1500, LONG = 30000;
let pause = SHORT;

function localTimes(part) {
  for (const time of part.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    time.title = time.textContent;
    time.textContent = at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
  }
}

function copyButtons(part) {
  if (!navigator.clipboard) return;
  for (const button of part.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = button.dataset.done;
    });
  }
}

function prepare(part) { localTimes(part); copyButtons(part); }

function isBusy(part) {
  const at = document.activeElement;
  return part.contains(at) && at.matches("input,select,textarea");
}

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, credentials: "same-origin" });
  if (!answer.ok) throw new Error(answer.status);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of page.querySelectorAll("[data-part]")) {
    const old = main.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!old || old.dataset.print === part.dataset.print || isBusy(old)) continue;
    prepare(part);
    part.classList.add("fresh");
    old.replaceWith(part);
  }
}

async function run() {
  try { await refresh(); pause = SHORT; } catch { pause = Math.min(pause * 2, LONG); }
  setTimeout(run, pause);
}

prepare(main);
if (main.dataset.live !== undefined) setTimeout(run, pause);

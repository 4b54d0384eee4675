// Keeps the list of spreadsheets current: a change is told by the server, then the list is fetched anew.

const main = document.querySelector("#files");

function localTimes() {
  for (const time of main.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString();
  }
}

async function refresh() {
  const answer = await fetch("/", { cache: "no-store" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = document.activeElement?.getAttribute("href");
  main.replaceChildren(...page.querySelector("#files").childNodes);
  localTimes();
  if (focused) main.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

localTimes();
new EventSource(main.dataset.events).onmessage = refresh;

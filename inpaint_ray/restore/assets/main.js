// What starts when the page is there.

const KEYS = {
  " ": play,
  a: () => hear("damaged"),
  b: () => hear("restored"),
  r: () => hear("removed"),
  k: () => decide("keep"),
  u: () => decide("undo"),
  ArrowRight: () => step(1),
  ArrowDown: () => step(1),
  ArrowLeft: () => step(-1),
  ArrowUp: () => step(-1),
};

// Tell whether a key is for the element that has the focus: text, a choice, or a button that Space presses.
function isFor(target, key) {
  if (target.matches("select, input:not([type=checkbox]):not([type=file])")) return true;
  return key === " " && target.matches("button:not(.repair), input, summary, a");
}

function onKey(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (!(key in KEYS) || event.ctrlKey || event.metaKey || event.altKey || isFor(event.target, key)) return;
  if (!at("keys").checked) return;
  event.preventDefault();
  if (event.type === "keydown" && !(event.repeat && key === " ")) KEYS[key]();
}

function begin() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("keyup", (event) => {
    if (event.key === " " && event.target.matches(".repair") && at("keys").checked) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("#player button");
    if (button && event.detail) button.blur(); // pressed by a pointer: Space plays again
  });
  at("play").onclick = play;
  at("next").onclick = () => step(1);
  at("previous").onclick = () => step(-1);
  for (const button of document.querySelectorAll("[data-version]")) {
    button.onclick = () => hear(button.dataset.version);
  }
  for (const button of document.querySelectorAll("[data-decision]")) {
    button.onclick = () => decide(button.dataset.decision);
  }
  for (const button of document.querySelectorAll("[data-all]")) {
    button.onclick = () => decideAll(button.dataset.all);
  }
  for (const kind of [...new Set(repairs.map((repair) => repair.kind))].sort()) {
    at("kind").append(element("option", { value: kind, textContent: kind }));
  }
  for (const method of data.methods) {
    at("again").append(element("option", { value: method, textContent: `try ${method}` }));
  }
  at("again").onchange = () => {
    decisions.set([current], at("again").value);
    mark();
  };
  if (matchMedia("(max-width: 60rem)").matches) {
    for (const fold of document.querySelectorAll(".fold")) fold.open = false;
  }
  at("filters").oninput = showFound;
  at("filters").onsubmit = (event) => event.preventDefault();
  at("more").onclick = showMore;
  at("save").onclick = save;
  at("load").onchange = () => at("load").files.length && read(at("load").files[0]);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    showFound();
    drawCurrent();
  });
  showFound();
  if (repairs.length) select(repairs[0]);
}

document.addEventListener("DOMContentLoaded", begin);

// The list of repairs: filters, order, strips that are drawn when they are seen, decisions, keys.

const ROWS_AT_ONCE = 100; // of the list; a button shows more
const SEEN_AHEAD = "300px"; // below the window: strips that are drawn before they are seen

const data = JSON.parse(document.getElementById("data").textContent);
const repairs = data.repairs.map((row, rank) => {
  const repair = Object.fromEntries(data.columns.map((column, i) => [column, row[i]]));
  return { ...repair, rank, name: data.names[repair.file], shown: data.shown[repair.file] };
});
const decisions = new Decisions(data.key);
const player = new Player();
const at = (id) => document.getElementById(id);
const canvases = { damaged: at("picture-damaged"), restored: at("picture-restored"), close: at("picture-close") };
const rows = new Map(); // repair -> its button in the list
let found = repairs; // what the filters let through, in order
let listed = 0; // of which the list has so many
let current = null;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Format seconds from the file's start: 1:02:03.456, or 2:03.456.
function timecode(seconds) {
  const whole = Math.round(seconds * 1000);
  const [hours, minutes] = [Math.floor(whole / 3600000), Math.floor(whole / 60000) % 60];
  const rest = ((whole % 60000) / 1000).toFixed(3).padStart(6, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

function lengthOf(repair) {
  return repair.seconds < 1 ? `${(1000 * repair.seconds).toPrecision(3)} ms` : `${repair.seconds.toFixed(2)} s`;
}

function trustOf(repair) {
  return repair.snrDb === null ? repair.trust : `${repair.trust}, ${repair.snrDb.toFixed(1)} dB`;
}

function channelsOf(repair) {
  return `channel ${repair.channels.map((channel) => channel + 1).join(" + ")}`;
}

function level(value) {
  return value === null ? "silence" : `${value.toFixed(1)} dB`;
}

const WORDS = { keep: "kept", undo: "taken back", mixed: "differs by channel", "": "" };

function decisionWord(decision) {
  return decision in WORDS ? WORDS[decision] : `again by ${decision}`;
}

// The list ------------------------------------------------------------------------------------------------------------

function rowFor(repair) {
  const strip = repair.excerpt < 0 ? [] : [element("canvas", { className: "strip", ariaHidden: "true" })];
  const button = element(
    "button",
    { type: "button", className: "repair", onclick: () => select(repair) },
    element("span", { className: `trust ${repair.trust}`, textContent: trustOf(repair) }),
    element("span", { className: "what", textContent: `${repair.kind}, ${lengthOf(repair)}` }),
    element("span", { className: "where", textContent: `${timecode(repair.startS)}, ${channelsOf(repair)}` }),
    element("span", { className: "file", textContent: repair.shown }),
    ...strip,
    element("span", { className: "decision", textContent: decisionWord(decisions.of(repair)) }),
  );
  rows.set(repair, button);
  for (const canvas of strip) {
    strips.set(canvas, repair);
    seen.observe(canvas);
  }
  return element("li", {}, button);
}

const strips = new WeakMap(); // canvas -> repair
const waiting = []; // canvases that are to be drawn
const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      waiting.push(target);
      if (waiting.length === 1) drawWaiting();
    }
  },
  { rootMargin: SEEN_AHEAD },
);

async function drawWaiting() {
  while (waiting.length) {
    const [canvas] = waiting;
    if (canvas.isConnected) {
      const sound = await soundOf(strips.get(canvas)).catch(() => null);
      if (sound) drawStrip(canvas, strips.get(canvas), sound);
      canvas.dataset.drawn = sound ? "yes" : "no";
    }
    waiting.shift();
  }
}

function showMore() {
  const more = found.slice(listed, listed + ROWS_AT_ONCE);
  at("list").append(...more.map(rowFor));
  listed += more.length;
  at("more").hidden = listed >= found.length;
  at("more").textContent = `Show ${Math.min(ROWS_AT_ONCE, found.length - listed)} more of ${found.length - listed}`;
}

function showFound() {
  const chosen = filtersOf(at("filters"));
  found = repairs.filter((repair) => passes(repair, chosen, decisions)).sort(ORDERS[chosen.order]);
  rows.clear();
  at("list").replaceChildren();
  listed = 0;
  showMore();
  at("count").textContent = `${found.length} of ${repairs.length} repairs`;
  for (const button of document.querySelectorAll(".all button")) button.disabled = !found.length;
  mark();
}

// The repair in the player ----------------------------------------------------------------------------------------------

async function select(repair) {
  current = repair;
  mark();
  at("title").textContent = repair.shown;
  const facts = {
    place: `${timecode(repair.startS)} (${repair.startS.toFixed(4)} s), samples ${repair.start} to ${repair.stop}`,
    channel: channelsOf(repair).replace("channel ", ""),
    damage: `${repair.kind}, ${lengthOf(repair)}, confidence ${repair.confidence.toFixed(2)}`,
    filled: `${repair.method}, ${repair.snrDb === null ? "expected SNR unknown" : `expected SNR ${trustOf(repair)}`}`,
    level: `${level(repair.beforeDb)} before, ${level(repair.afterDb)} after`,
  };
  at("facts").replaceChildren(
    ...Object.entries(facts).map(([name, text]) =>
      element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: text })),
    ),
  );
  let note = repair.excerpt < 0 ? "The page has no excerpt of this one." : "";
  const sound = await soundOf(repair).catch((error) => {
    note = `This browser cannot decode the excerpt: ${error.message}`;
    return null;
  });
  if (current !== repair) return; // another one was chosen meanwhile
  player.load(sound);
  drawCurrent();
  if (sound && sound.gainDb < 0) note = `Played ${-sound.gainDb} dB lower: what was restored is above full scale.`;
  at("note").textContent = note;
  showPlayer();
  say(`Repair ${found.indexOf(repair) + 1} of ${found.length}. ${decisionWord(decisions.of(repair))}`);
}

function drawCurrent() {
  if (player.sound) drawFigures(canvases, current, player.sound);
  else clearFigures(canvases);
}

// Show which repair is in the player, and what was decided on each.
function mark() {
  for (const [repair, button] of rows) {
    if (repair === current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    button.querySelector(".decision").textContent = decisionWord(decisions.of(repair));
  }
  const decision = current ? decisions.of(current) : "";
  for (const button of document.querySelectorAll("[data-decision]")) {
    button.setAttribute("aria-pressed", String(button.dataset.decision === decision));
    button.disabled = !current;
  }
  at("again").value = data.methods.includes(decision) ? decision : "";
  at("again").disabled = !current;
  at("save").disabled = !decisions.size;
  at("save").textContent = `Save decisions.csv (${decisions.size} rows)`;
  at("unstored").hidden = decisions.stored;
}

function showPlayer() {
  at("play").textContent = player.playing ? "Stop" : "Play";
  at("play").disabled = !player.sound;
  for (const button of document.querySelectorAll("[data-version]")) {
    button.setAttribute("aria-pressed", String(button.dataset.version === player.version));
  }
  moveHeads();
}

function moveHeads() {
  const share = player.seconds ? player.position() / player.seconds : 0;
  for (const head of document.querySelectorAll(".head")) {
    head.hidden = !player.sound;
    head.style.left = `${100 * share}%`;
  }
  if (player.playing) requestAnimationFrame(moveHeads);
}

function say(text) {
  at("said").textContent = text;
}

// What people do --------------------------------------------------------------------------------------------------------

// Go to the next repair (1) or the one before (-1).
function step(by) {
  const next = found[found.indexOf(current) + by];
  if (!next) return say(by > 0 ? "This is the last repair." : "This is the first repair.");
  while (!rows.has(next)) showMore();
  const button = rows.get(next);
  if (document.activeElement && document.activeElement.classList.contains("repair")) button.focus();
  button.scrollIntoView({ block: "nearest" });
  return select(next);
}

function hear(version) {
  player.switchTo(version);
  showPlayer();
  say(version);
}

function play() {
  player.toggle();
  showPlayer();
}

// Decide on the current repair; the same decision again takes it back.
function decide(decision) {
  if (!current) return;
  decisions.set([current], decisions.of(current) === decision ? "" : decision);
  mark();
  say(decisionWord(decisions.of(current)) || "undecided");
}

function decideAll(decision) {
  if (!confirm(`${decision === "keep" ? "Keep" : "Take back"} all ${found.length} repairs that the filters show?`)) return;
  decisions.set(found, decision);
  mark();
  say(`${found.length} repairs: ${decisionWord(decision)}`);
}

function save() {
  const blob = new Blob([decisions.toCsv()], { type: "text/csv" });
  const link = element("a", { href: URL.createObjectURL(blob), download: "decisions.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function read(file) {
  try {
    const count = decisions.fromCsv(await file.text());
    mark();
    say(`${count} decisions read`);
    at("read").textContent = `${count} decisions read from ${file.name}`;
  } catch (error) {
    at("read").textContent = `${file.name} cannot be read: ${error.message}`;
  }
}

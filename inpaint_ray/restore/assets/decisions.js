// Decisions on repairs: kept in this browser for this restoration, written and read as decisions.csv.

const HEADING = ["name", "channel", "start", "stop", "decision"];

class Decisions {
  constructor(key) {
    this.key = `inpaint_ray:${key}`;
    this.stored = true; // whether the browser keeps them
    this.rows = new Map(); // JSON of [name, channel, start, stop] -> decision
    try {
      this.rows = new Map(JSON.parse(localStorage.getItem(this.key) || "[]"));
    } catch {
      this.stored = false;
    }
  }

  get size() {
    return this.rows.size;
  }

  // Give the decision on a repair, "" where there is none, "mixed" where its channels differ.
  of(repair) {
    const found = new Set(rowsOf(repair).map((row) => this.rows.get(JSON.stringify(row)) || ""));
    return found.size > 1 ? "mixed" : [...found][0];
  }

  // Decide on repairs; "" takes a decision back.
  set(repairs, decision) {
    for (const row of repairs.flatMap(rowsOf)) {
      if (decision) this.rows.set(JSON.stringify(row), decision);
      else this.rows.delete(JSON.stringify(row));
    }
    this.store();
  }

  store() {
    try {
      localStorage.setItem(this.key, JSON.stringify([...this.rows]));
    } catch {
      this.stored = false;
    }
  }

  toCsv() {
    const rows = [...this.rows].map(([row, decision]) => [...JSON.parse(row), decision]);
    rows.sort((one, other) => (one[0] < other[0] ? -1 : one[0] > other[0] ? 1 : one[2] - other[2] || one[1] - other[1]));
    return [HEADING, ...rows].map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
  }

  // Take the decisions of a file, beside those that are there; gives how many.
  fromCsv(text) {
    const [heading, ...rows] = parseCsv(text.replace(/^\ufeff/, ""));
    if (!heading || HEADING.some((name, i) => heading[i] !== name)) {
      throw new Error(`its first line is not ${HEADING.join(",")}`);
    }
    for (const [name, channel, start, stop, decision] of rows) {
      this.rows.set(JSON.stringify([name, Number(channel), Number(start), Number(stop)]), decision);
    }
    this.store();
    return rows.length;
  }
}

// Give a row of the gap table for each channel of a repair.
function rowsOf(repair) {
  return repair.channels.map((channel) => [repair.name, channel, repair.start, repair.stop]);
}

function quoted(value) {
  const text = String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// Parse comma-separated values (RFC 4180) into rows of texts.
function parseCsv(text) {
  const rows = [];
  let row = [];
  for (const [, whole, inner, end] of text.matchAll(/("((?:[^"]|"")*)"|[^,\r\n]*)(,|\r\n|\n|\r|$)/g)) {
    if (end === "" && whole === "" && row.length === 0) break;
    row.push(inner === undefined ? whole : inner.replaceAll('""', '"'));
    if (end !== ",") {
      rows.push(row);
      row = [];
    }
    if (end === "") break;
  }
  return rows;
}

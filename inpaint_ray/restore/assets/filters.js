// Which repairs the list shows, and in what order.

const byPlace = (one, other) => one.file - other.file || one.start - other.start || one.channels[0] - other.channels[0];
const ORDERS = {
  risk: (one, other) => one.rank - other.rank,
  confidence: (one, other) => one.confidence - other.confidence || one.rank - other.rank,
  length: (one, other) => other.seconds - one.seconds || one.rank - other.rank,
  place: byPlace,
};

// Give what is set in the filters' fields, by their names; numbers that are not given are null.
function filtersOf(form) {
  const numberOf = (field) => (field.value === "" ? null : Number(field.value));
  return Object.fromEntries(
    [...form.elements].filter((field) => field.name).map((field) => [
      field.name,
      field.type === "number" ? numberOf(field) : field.value,
    ]),
  );
}

function passes(repair, chosen, decisions) {
  const decision = decisions.of(repair);
  const ms = 1000 * repair.seconds;
  return (
    (!chosen.file || repair.shown.toLowerCase().includes(chosen.file.toLowerCase())) &&
    (!chosen.kind || repair.kind === chosen.kind) &&
    (!chosen.trust || repair.trust === chosen.trust) &&
    (!chosen.decision || (chosen.decision === "none" ? !decision : chosen.decision === "any" ? decision : decision === chosen.decision)) &&
    (chosen.snrBelow === null || (repair.snrDb !== null && repair.snrDb < chosen.snrBelow)) &&
    (chosen.confidenceBelow === null || repair.confidence < chosen.confidenceBelow) &&
    (chosen.shortest === null || ms >= chosen.shortest) &&
    (chosen.longest === null || ms <= chosen.longest)
  );
}
